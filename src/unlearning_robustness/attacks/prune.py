"""Set-difference pruning: zero the weights that matter most for forget texts and not for retain texts.

Wei et al. (arXiv 2402.05162) with their two scores, as Łucki et al. (2409.18025) turn it on unlearning. Weights compete
within their matrix. Differs from the released code: the fractions are chosen on the select split, not on the questions
that are reported.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import AttackFacts, Scoring
from unlearning_robustness.attacks.select_split import SelectAccuracy, best
from unlearning_robustness.config.ranges import Bound, Count, Range, Tokens
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import layer_modules, layer_of, linear_modules, outputs_first, sizes_of
from unlearning_robustness.models.hooks import Entering, hooked
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, INDEX, Shape, Work
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.encoding import encode_texts

Tensors = dict[str, torch.Tensor]
Scores = Iterator[tuple[str, torch.Tensor]]
NOTHING = "nothing pruned"


def snip_scores(model: nn.Module, texts: Sequence[torch.Tensor]) -> Scores:
    """Mean over texts, each (1, T) ids, of |weight * d loss / d weight| of every linear module, float32, by name.

    Layers are gone through from the last to the first, each run again from the stream that entered it. So the streams
    that enter every layer are held, and the gradients and scores of one layer.
    """
    modules, depth = linear_modules(model), len(layer_modules(model))
    entering = [_streams(model, ids) for ids in texts]
    slopes = [_slope(model, streams.pop(), ids) for streams, ids in zip(entering, texts, strict=True)]
    for layer in reversed(range(depth)):
        inside = {name: module.weight for name, module in modules.items() if layer_of(name) == layer}
        scores = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in inside.items()}
        span = LayerSpan(model, layer, layer + 1)
        for weight in inside.values():
            weight.requires_grad_(True)
        try:
            for index, streams in enumerate(entering):
                slopes[index], gradients = _through(span, streams.pop(), slopes[index], list(inside.values()))
                for (name, weight), gradient in zip(inside.items(), gradients, strict=True):
                    scores[name] += (weight.detach() * gradient).float().abs() / len(texts)
        finally:
            for weight in inside.values():
                weight.requires_grad_(False)
        yield from scores.items()


@torch.no_grad()
def _streams(model: nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    """The residual streams (1, T, d) that enter the first layer and leave each of them."""
    layers, streams = layer_modules(model), []
    with hooked([(Entering(layers[0]), streams.append), *((layer, streams.append) for layer in layers)]):
        LayerSpan(model, 0, len(layers))(input_ids=ids)
    return streams


@torch.enable_grad()
def _slope(model: nn.Module, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """D loss / d hidden (1, T, d) of the stream behind the last layer; the loss is the mean cross-entropy a token."""
    hidden = hidden.detach().requires_grad_(True)
    loss = cross_entropy(logits_of(model, hidden)[0, :-1], ids[0, 1:])
    return torch.autograd.grad(loss, hidden)[0]


@torch.enable_grad()
def _through(
    span: LayerSpan, hidden: torch.Tensor, slope: torch.Tensor, weights: list[torch.Tensor]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """From the gradient of what leaves a layer those of what enters it and of its weights; unused ones get zeros."""
    hidden = hidden.detach().requires_grad_(True)
    with backward_attention(hidden.device):
        leaving = span(hidden=hidden)
    below, *gradients = torch.autograd.grad(leaving, [hidden, *weights], slope, allow_unused=True)
    return below, [torch.zeros(()).to(hidden) if gradient is None else gradient for gradient in gradients]


@torch.no_grad()
def wanda_scores(model: nn.Module, texts: Sequence[torch.Tensor]) -> Scores:
    """|weight| times the norm of its input over all tokens of the texts, each (1, T) ids; float32, by name."""
    modules = linear_modules(model)
    squares = {name: torch.zeros(sizes_of(module)[0], device=module.weight.device) for name, module in modules.items()}

    def count(name: str, entering: torch.Tensor) -> None:
        squares[name] += entering.float().square().flatten(0, -2).sum(0)

    with hooked([(Entering(module), partial(count, name)) for name, module in modules.items()]):
        for ids in texts:
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
    for name, module in modules.items():
        scores = outputs_first(module, module.weight).float().abs() * squares[name].sqrt()
        yield name, outputs_first(module, scores)


SCORES = {"snip": snip_scores, "wanda": wanda_scores}


def ranked(scores: torch.Tensor, fraction: float) -> torch.Tensor:
    """Flat indices of the highest ``fraction`` of scores, the highest first, in half the bytes of an index."""
    return scores.flatten().topk(round(fraction * scores.numel())).indices.int()


def difference(forget: torch.Tensor, utility: torch.Tensor, q: float, p: float, count: int) -> torch.Tensor:
    """Flat indices in the top q of ``forget`` and not in the top p of ``utility``, ranked, of ``count`` weights."""
    top, useful = forget[: round(q * count)], torch.zeros(count, dtype=torch.bool, device=forget.device)
    useful[utility[: round(p * count)]] = True
    return top[~useful[top]]


@contextmanager
def zeroed(weights: Tensors, pruned: Iterable[tuple[str, torch.Tensor]]) -> Iterator[None]:
    """Weights with zeros at flat indices, by name; they come back bit for bit, from the host's memory."""
    before = {}
    try:
        for name, indices in pruned:
            flat = weights[name].view(-1)
            before[name] = indices.cpu(), flat[indices].cpu()
            flat[indices] = 0
        yield
    finally:
        for name, (indices, values) in before.items():
            weights[name].view(-1)[indices.to(weights[name].device)] = values.to(weights[name].device)


@dataclass(frozen=True)
class Prune:
    """Zero, in every linear matrix of the decoder layers, its top ``q`` for forgetting less its top ``p`` for utility.

    It tries all pairs of ``fractions`` with p >= q, and no pruning, and yields the best on select whose retain accuracy
    is at most ``utility_bound`` lower. ``score`` is ``snip`` or ``wanda``, of ``texts`` texts of at most ``tokens``
    tokens of the corpora ``forget`` and ``retain``. The default forget corpus is the attacker's, about entities that
    are never asked about.
    """

    score: Literal["snip", "wanda"]
    fractions: Annotated[list[float], Range(least=0, most=1, mend="write 5 % as 0.05")]
    texts: Count
    tokens: Tokens
    utility_bound: Bound
    forget: Literal["relearn", "forget"] = "relearn"

    class Facts(AttackFacts):
        @staticmethod
        def texts(settings: dict) -> dict[str, tuple[str, int]]:
            needed = "texts", settings["texts"] if any(settings["fractions"]) else 0
            return {settings["forget"]: needed, "retain": needed}

        @staticmethod
        def chooses_on(settings: dict) -> tuple[str, ...]:
            return "forget", "retain"

        @staticmethod
        def mend_for_mixtures(settings: dict) -> str:
            return "leave it out"

        @staticmethod
        def candidates(settings: dict, shape: Shape) -> int:
            return 1 + sum(p >= q > 0 for q in settings["fractions"] for p in settings["fractions"])

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            # Texts of two corpora, one at a time. SNIP runs every layer twice, as it holds one layer's gradients at a
            # time, and takes those of every weight; the unembedding is run once, forward and backward.
            layers, tokens, snip = shape.num_hidden_layers, settings["tokens"], settings["score"] == "snip"
            texts, passes = 2 * settings["texts"], 4 if snip else 1
            streams = settings["texts"] * tokens * (layers + 1) * shape.hidden_size * BFLOAT16
            one_layer = shape.layer_parameters * (BFLOAT16 + 2 * FLOAT32)
            held = shape.memory() + streams + one_layer
            if not any(settings["fractions"]):
                return Work(memory=held)
            a_token = passes * shape.forward(layers, head=False) + (2 if snip else 1) * shape.forward(0)
            memory = max(held, shape.memory(tokens, layers=1))
            return Work(texts * tokens * a_token, texts * passes * layers, memory)

        @staticmethod
        def host_bytes(settings: dict, shape: Shape) -> float:
            # The indices of the highest scores on both corpora, and those that it zeroes with their weights.
            weights = shape.num_hidden_layers * shape.layer_parameters
            return max(settings["fractions"]) * weights * (3 * INDEX + BFLOAT16)

    @torch.no_grad()
    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the pruned model; weights come back bit for bit. Raises DataError when a corpus has too few texts."""
        if not any(self.fractions):
            yield AttackedModel(attack.model, {}, NOTHING)
            return
        forget, utility = (self._ranks(attack, corpus) for corpus in (self.forget, "retain"))
        weights = {name: module.weight.detach() for name, module in linear_modules(attack.model).items()}
        accuracy, plain = SelectAccuracy(attack), AttackedModel(attack.model, {}, NOTHING)

        def pruned(q: float, p: float) -> Iterator[tuple[str, torch.Tensor]]:
            for name, weight in weights.items():
                ranks = (part[name].to(weight.device) for part in (forget, utility))
                yield name, difference(*ranks, q, p, weight.numel())

        scores = [((0.0, 0.0), accuracy(plain))]
        for q, p in [(q, p) for q in self.fractions for p in self.fractions if p >= q > 0]:
            with zeroed(weights, pruned(q, p)):
                scores.append(((q, p), accuracy(plain)))
        (q, p), _ = best(scores, scores[0][1], self.utility_bound)
        with zeroed(weights, pruned(q, p)):
            yield AttackedModel(attack.model, {}, f"{q:g} less {p:g}" if q else NOTHING)

    def _ranks(self, attack: AttackInput, corpus: str) -> Tensors:
        """By weight the indices of its highest scores, as many as the largest fraction, in the host's memory."""
        texts = attack.corpora.loc[attack.corpora["corpus"] == corpus, "text"]
        if self.texts > len(texts):
            raise DataError(
                f"prune needs {self.texts} texts, the corpus {corpus} has {len(texts)}: "
                "lower attacks.*.parameters.texts"
            )
        order = torch.randperm(len(texts), generator=generator(attack.seed, f"attack-texts/{corpus}"))
        chosen, device = texts.iloc[order[: self.texts].tolist()], next(attack.model.parameters()).device
        encoded = [encode_texts(attack.tokenizer, [text], self.tokens)[0].to(device) for text in chosen]
        scores = SCORES[self.score](attack.model, encoded)
        return {name: ranked(score, max(self.fractions)).cpu() for name, score in scores}
