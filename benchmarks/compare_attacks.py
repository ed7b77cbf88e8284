"""What attacks do many times: read every layer, remove a direction at each of many layers, try a batch of tokens."""

import pandas
import torch
from compare_scoring import BATCH, TOLERANCE, Subject, questions
from comparison import Comparison, compare, largest_difference, relative_difference
from torch.nn.functional import normalize, one_hot

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.insertion import Insertion
from unlearning_robustness.attacks.insertion_loss import InsertionLoss
from unlearning_robustness.attacks.orthogonalise import remove
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.scoring.packing import PackedQuestion
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.streams import stream_log_likelihoods

INSERTED = 6
# Every fifth layer is a candidate of orthogonalisation.
EVERY = 5


def padded(rows: list[tuple[int, ...]]) -> torch.Tensor:
    """Ids (B, T), padded on the right; without a mask, as nothing attends to what comes later."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])


@torch.no_grad()
def one_forward_a_choice(model, packed: list[PackedQuestion], read) -> torch.Tensor:
    """Log-likelihoods (..., Q, C): each choice runs behind its own copy of the prompt.

    ``read`` gives log-probabilities (..., B, T, V) of ids (B, T).
    """
    choices = [(question.prompt, choice) for question in packed for choice in question.choices]
    scores = []
    for start in range(0, len(choices), BATCH):
        rows = choices[start : start + BATCH]
        log_p = read(padded([(*prompt, *choice) for prompt, choice in rows]))
        for row, (prompt, choice) in enumerate(rows):
            at = torch.arange(len(prompt) - 1, len(prompt) + len(choice) - 1)
            scores.append(log_p[..., row, at, torch.tensor(choice)].sum(-1))
    return torch.stack(scores, -1).unflatten(-1, (len(packed), -1))


def log_p_of(model, ids: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (B, T, V) of the model's own forward pass."""
    return model(ids, use_cache=False).logits.float().log_softmax(-1)


def log_p_of_layers(model, ids: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (L, B, T, V) of the stream after each layer; the last hidden state has its norm already."""
    *streams, last = model.model(ids, output_hidden_states=True, use_cache=False).hidden_states[1:]
    normed = [*map(model.model.norm, streams), last]
    return torch.stack([model.lm_head(stream).float().log_softmax(-1) for stream in normed])


def compare_logit_lens(model, tokenizer, table: pandas.DataFrame, repeats: int) -> Comparison:
    """All layers read: one forward a choice with all hidden states, and one packed forward a batch."""
    scorer = QuestionScorer(tokenizer, table, BATCH)

    def plain() -> torch.Tensor:
        # A question at a time: logits of every layer and position are 49,152 numbers each.
        each = [one_forward_a_choice(model, [one], lambda ids: log_p_of_layers(model, ids)) for one in scorer.packed]
        return torch.cat(each, dim=1)

    def ours() -> torch.Tensor:
        return stream_log_likelihoods(scorer, model, layer_modules(model))

    return compare("logit lens, all layers", plain, ours, TOLERANCE, repeats, largest_difference)


def compare_orthogonalisation(model, tokenizer, table: pandas.DataFrame, repeats: int) -> Comparison:
    """A direction removed at one layer after the other: whole forwards, and forwards from what lies below."""
    scorer, modules = QuestionScorer(tokenizer, table, BATCH), layer_modules(model)
    direction = normalize(torch.randn(model.config.hidden_size), dim=0)
    level = torch.zeros(())
    layers = range(0, len(modules), EVERY)

    def removed(layer: int):
        return hooked([(modules[layer], lambda hidden: remove(hidden, direction, level))])

    def plain() -> torch.Tensor:
        scores = []
        for layer in layers:
            with removed(layer):
                scores.append(one_forward_a_choice(model, scorer.packed, lambda ids: log_p_of(model, ids)))
        return torch.stack(scores)

    def ours() -> torch.Tensor:
        scores = []
        for layer in layers:
            scorer.extend_prefix(model, layer)
            with removed(layer):
                scores.append(scorer.log_likelihoods(model))
        return torch.stack(scores)

    return compare("orthogonalisation, candidates", plain, ours, TOLERANCE, repeats, largest_difference)


class PlainGCG:
    """One-hot gradient and candidates' losses as GCG's code has them: the whole text of each, from its first token."""

    def __init__(self, model, loss: InsertionLoss):
        self.model, self.slots = model, loss.slots
        self.table = model.get_input_embeddings().weight.detach()

    def _nll(self, inserted: torch.Tensor, slot) -> torch.Tensor:
        """Minus the log-likelihood (C,) of the answer behind inserted embeddings (C, n, d)."""
        behind = torch.tensor([*slot.tail, *slot.answer])
        before, after = self.table[torch.tensor(slot.head)], self.table[behind]
        count, answer = len(inserted), len(slot.answer)
        embeds = torch.cat([before.expand(count, -1, -1), inserted, after.expand(count, -1, -1)], dim=1)
        logits = self.model(inputs_embeds=embeds, use_cache=False).logits[:, -answer - 1 : -1]
        token = logits.float().log_softmax(-1)[:, range(answer), list(slot.answer)]
        return -token.sum(-1)

    def gradient(self, ids: torch.Tensor) -> torch.Tensor:
        """Of the mean loss at the one-hot vectors of ids (n,): (n, V)."""
        hot = one_hot(ids, len(self.table)).to(self.table.dtype).requires_grad_()
        loss = sum(self._nll((hot @ self.table)[None], slot).sum() for slot in self.slots) / len(self.slots)
        return torch.autograd.grad(loss, hot)[0]

    @torch.no_grad()
    def losses(self, candidates: torch.Tensor) -> torch.Tensor:
        """Mean loss (C,) of candidates (C, n)."""
        return sum(self._nll(self.table[candidates], slot) for slot in self.slots) / len(self.slots)


def compare_gcg(model, tokenizer, table: pandas.DataFrame, repeats: int, candidates: int = 16) -> Comparison:
    """A step of GCG behind the questions: a gradient, and a batch of candidates."""
    slots = Insertion(tokenizer, table, "after").slots
    loss = InsertionLoss(AttackInput(model, tokenizer, None, 0, batch_size=candidates), slots, "answer", None, 0.0)
    plain = PlainGCG(model, loss)
    drawn = torch.randint(
        1, model.config.vocab_size, (candidates, INSERTED), generator=torch.Generator().manual_seed(0)
    )

    def step(one) -> torch.Tensor:
        losses = plain.losses if one is plain else loss
        return torch.cat([one.gradient(drawn[0]).flatten(), losses(drawn)])

    return compare("GCG step", lambda: step(plain), lambda: step(loss), 1e-3, repeats, relative_difference)


def compare_attacks(model, tokenizer, tiny: bool, repeats: int) -> list[Comparison]:
    """Logit lens, orthogonalisation and GCG."""
    short = questions((Subject(4, 12, 3),), 0, False)
    long = questions((Subject(2, 10 if tiny else 50, 3),), 0, False)
    return [
        compare_logit_lens(model, tokenizer, short, repeats),
        compare_orthogonalisation(model, tokenizer, short, repeats),
        compare_gcg(model, tokenizer, long, repeats),
    ]
