"""Whether spans, ``logits_of`` and packed questions give what a model's own forward pass gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from textwrap import shorten

import torch
from torch import nn
from transformers import PreTrainedConfig

from unlearning_robustness.errors import FetchError
from unlearning_robustness.models.architecture import stack_of
from unlearning_robustness.models.attention import kernel_of
from unlearning_robustness.models.hooks import Entering, hooked
from unlearning_robustness.models.miniature import miniature
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.encoding import pad
from unlearning_robustness.scoring.multiple_choice import choice_log_likelihoods, run_packed
from unlearning_robustness.scoring.packing import PackedQuestion

# In standard deviations of the logits. Rounding in float32 makes a difference of some 1e-6, a wrong scale, cap,
# position or window one of more than 1e-2.
TOLERANCE = 1e-3
# Ids that every vocabulary has: texts of 14 and 9 tokens, and questions of 12 and more, of which 9 are shared. Choices
# branch, so that a token's column in a packed row is further from the one before it than its position.
TEXTS = [[7 * place % 61 + 3 for place in range(14)], [11 * place % 53 + 5 for place in range(9)]]
SHARED = tuple(range(20, 29))
QUESTIONS = [
    PackedQuestion((*SHARED, 3, 17, 40), ((8, 21), (30, 9, 12, 6), (30, 44, 6))),
    PackedQuestion((*SHARED, 50, 4, 11, 60, 2), ((13, 22, 5), (14,), (13, 51, 7))),
]
Pair = tuple[torch.Tensor, torch.Tensor]


def check_configuration(config: PreTrainedConfig) -> dict[str, float]:
    """``check_agreement`` of a small random model of a configuration, which is one of a model that reads text alone.

    Raises FetchError as ``check_agreement`` does, for a model that also reads images or sounds, and for one whose small
    model shows no attention, so that nothing would be proved.
    """
    kind = config.architectures[0] if config.architectures else config.model_type
    if config.get_text_config(decoder=True) is not config:
        raise FetchError(f"{kind} reads more than text: save its language model alone, as docs/hub.md shows")
    with _one_line(kind, "a small model of its configuration"):
        model = miniature(config, kernel_of(config))
        visible = effect_of_order(model)
    if not visible > TOLERANCE:
        raise FetchError(
            f"{kind}: the order of tokens moves the logits of a small model of its configuration by {visible:.2g} "
            "standard deviations, too little to prove anything by: choose another model"
        )
    return check_agreement(model)


@torch.no_grad()
def effect_of_order(model: nn.Module) -> float:
    """How far the last token's logits move when the two tokens before it change places, in standard deviations.

    That is what a fault in masks or positions could show.
    """
    text = TEXTS[0]
    exchanged = [*text[:-3], text[-2], text[-3], text[-1]]
    one, other = model(input_ids=torch.tensor([text, exchanged]), use_cache=False).logits[:, -1]
    return ((one - other).abs().max() / one.std()).item()


@torch.no_grad()
def check_agreement(model: nn.Module) -> dict[str, float]:
    """The largest differences from the model's own forward pass, in standard deviations of its logits, by what was
    compared.

    The own forward pass runs by plain attention, which every family defines. ``model`` is in float32 and evaluation
    mode. Raises FetchError, one line that names what differs by how much, or what fails.
    """
    differences, kind = {}, type(model).__name__
    with _one_line(kind, "its own forward pass"):
        own = OwnForward(model)
    for what, compare in _comparisons(model, own):
        with _one_line(kind, what):
            found, expected = compare()
        differences[what] = ((found - expected).abs().max() / own.spread).item()
        if not differences[what] <= TOLERANCE:
            raise FetchError(
                f"{kind}: {what} differ by {differences[what]:.2g} standard deviations of the logits from the model's "
                "own forward pass, so it would be measured wrongly: choose another model"
            )
    return differences


@contextmanager
def _one_line(kind: str, what: str) -> Iterator[None]:
    """Whatever a family's code raises inside becomes a FetchError of one line."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {shorten(str(error), 160)}"
        raise FetchError(f"{kind}: {what} cannot be run here ({said}): choose another model") from error


class OwnForward:
    """What a model itself makes of ``TEXTS``: ``ids`` and ``mask`` (B, T), ``logits`` of its real tokens (N, V).

    ``leaving`` (B, T, d) is the residual stream behind the last layer.
    """

    def __init__(self, model: nn.Module):
        self.model, self.kernel = model, model.config._attn_implementation
        self.ids, self.mask = pad(TEXTS)
        stack, streams = stack_of(model), []
        with hooked([(Entering(stack.decoder.get_submodule(stack.after[0])), streams.append)]):
            self.logits = self(self.ids, self.mask)[self.mask]
        self.leaving, self.spread = streams[0], self.logits.std()

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V) by plain attention."""
        self.model.set_attn_implementation("eager")
        try:
            return self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        finally:
            self.model.set_attn_implementation(self.kernel)

    def log_likelihoods(self) -> torch.Tensor:
        """Summed log-probabilities of all choices of ``QUESTIONS``, each behind its prompt in a text of its own."""
        pairs = [(question.prompt, choice) for question in QUESTIONS for choice in question.choices]
        log_probabilities = self(*pad([prompt + choice for prompt, choice in pairs])).log_softmax(-1)
        sums = [
            sum(log_probabilities[row, len(prompt) - 1 + place, token] for place, token in enumerate(choice))
            for row, (prompt, choice) in enumerate(pairs)
        ]
        return torch.stack(sums)


def _comparisons(model: nn.Module, own: OwnForward) -> Iterator[tuple[str, Callable[[], Pair]]]:
    """What is compared, in words, and a function that gives it and what the model's own forward pass gives."""
    depth = len(stack_of(model).layers)
    texts = {"attention_mask": own.mask}

    def ends_in(hidden: torch.Tensor) -> Pair:
        return logits_of(model, hidden)[own.mask], own.logits

    def fused() -> Pair:
        return model(input_ids=own.ids, use_cache=False, **texts).logits[own.mask], own.logits

    def from_layer(start: int) -> Pair:
        entering = LayerSpan(model, 0, start)(input_ids=own.ids, **texts)
        return ends_in(LayerSpan(model, start, depth)(hidden=entering, **texts))

    def from_embeddings() -> Pair:
        return ends_in(LayerSpan(model, 0, depth)(embeddings=model.get_input_embeddings()(own.ids), **texts))

    def packed(share: bool) -> Pair:
        hidden_states = partial(run_packed, LayerSpan(model, 0, depth))
        scores = choice_log_likelihoods(hidden_states, partial(logits_of, model), QUESTIONS, share=share)
        return scores, own.log_likelihoods()

    yield "logits by the fused attention", fused
    yield "logits of the last layer's output", lambda: ends_in(own.leaving)
    for start in sorted({0, depth // 2, depth - 1}):
        yield f"logits of the layers from {start} on", partial(from_layer, start)
    yield "logits of given embeddings", from_embeddings
    yield "packed questions", partial(packed, False)
    yield "packed questions behind a shared beginning", partial(packed, True)
