"""Greedy coordinate gradient: tokens before or after the question that make the model answer.

Zou et al., arXiv 2307.15043: the gradient of the loss at one-hot tokens proposes substitutions, a random batch of them
is tried, the best is taken. One text serves all questions. Differs from the released code: a step that finds nothing
better keeps what it has, and every candidate must survive as text. ``match: representation`` is the loss of the
enhanced attack on unlearned models (arXiv 2409.18025, after FLRT, 2407.17447), reduced: the length is fixed, and there
is no buffer.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.functional import cross_entropy, one_hot
from transformers import DynamicCache

from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is
from unlearning_robustness.attacks.insertion import Insertion, Slot, insert
from unlearning_robustness.attacks.wording import reworded
from unlearning_robustness.errors import ConfigError, DataError
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of
from unlearning_robustness.progress import Progress
from unlearning_robustness.seeds import generator, shuffler


def representation_distance(hidden: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Squared distance of hidden (B, T, d) to reference (T, d), relative to its squared norm, mean over T: (B,)."""
    hidden, reference = hidden.float(), reference.float()
    return ((hidden - reference).square().sum(-1) / reference.square().sum(-1)).mean(-1)


def tokens_nll(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood (B, T), by logits (B, T, V), of ids (B, T), or of one-hot vectors (B, T, V)."""
    targets = targets.transpose(1, 2) if targets.ndim == 3 else targets
    return cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")


def top_candidates(gradient: torch.Tensor, usable: torch.Tensor, top_k: int) -> torch.Tensor:
    """Ids (n, k) of the usable tokens whose substitution lowers the loss most by its gradient (n, V), best first."""
    order = gradient[:, usable].topk(min(top_k, len(usable)), dim=-1, largest=False).indices
    return usable[order]


def substitutions(ids: torch.Tensor, top: torch.Tensor, count: int, random: torch.Generator) -> torch.Tensor:
    """At most ``count`` different copies (C, n) of ids (n,), each with one token replaced by one of top (n, k)."""
    places = torch.randint(len(ids), (count,), generator=random)
    picks = torch.randint(top.shape[1], (count,), generator=random)
    changed = ids.repeat(count, 1)
    changed[torch.arange(count), places] = top[places, picks]
    return changed.unique(dim=0)


class InsertionLoss:
    """The attack's loss of inserted tokens; what stands before them is computed once for all candidates.

    ``answer``: minus the log-likelihood of the right choice. ``representation``: ``representation_distance`` of the
    residual stream after ``layer`` to that of the reference without the tokens, at the trailing positions that both
    have, the one that predicts the answer included. Added is ``fluency`` times the tokens' mean NLL under the model
    (the first has nothing before it, and does not count).
    """

    def __init__(self, attack: AttackInput, slots: list[Slot], layer: int | None, fluency: float):
        self.model, self.slots, self.layer, self.fluency = attack.model, slots, layer, fluency
        self.batch_size, self.device = attack.batch_size, next(attack.model.parameters()).device
        depth = attack.model.config.num_hidden_layers
        if layer is not None and layer >= depth:
            raise ConfigError(f"attacks.*.parameters.layer: {layer} is not within the model's {depth} layers")
        needs_logits = layer is None or fluency > 0
        self.span = LayerSpan(attack.model, 0, depth if needs_logits else layer + 1)
        self.embed = attack.model.get_input_embeddings()
        self.targets = [None] * len(slots) if layer is None else self._reference(attack)
        self.caches = [self._cache(slot) for slot in slots]

    @torch.no_grad()
    def _reference(self, attack: AttackInput) -> list[torch.Tensor]:
        with attack.reference():
            span = LayerSpan(attack.model, 0, self.layer + 1)
            plain = [span(input_ids=torch.tensor([slot.plain], device=self.device))[0] for slot in self.slots]
        return [hidden[-_compared(slot) :] for hidden, slot in zip(plain, self.slots, strict=True)]

    @torch.no_grad()
    def _cache(self, slot: Slot) -> DynamicCache:
        cache = DynamicCache(config=self.model.config)
        if slot.head:
            self.span(input_ids=torch.tensor([slot.head], device=self.device), past_key_values=cache)
        return cache

    def _of_slot(self, embeds: torch.Tensor, inserted: torch.Tensor, number: int) -> torch.Tensor:
        """Loss (C,) of embeddings (C, n, d), of ids (C, n) or one-hot vectors (C, n, V), in one question."""
        slot, cache, (count, length) = self.slots[number], copy.deepcopy(self.caches[number]), embeds.shape[:2]
        tail = torch.tensor(slot.tail, device=self.device).expand(count, -1)
        if slot.head:
            cache.batch_repeat_interleave(count)
        captured: list[torch.Tensor] = []
        inputs = torch.cat([embeds, self.embed(tail)], dim=1)
        with hooked([] if self.layer is None else [(self.span.view.layers[self.layer], captured.append)]):
            hidden = self.span(hidden=inputs, past_key_values=cache)
        if self.layer is None:
            logits = logits_of(self.model, hidden[:, -slot.answer - 1 : -1])
            loss = tokens_nll(logits, tail[:, -slot.answer :]).sum(-1)
        else:
            loss = representation_distance(captured[0][:, -_compared(slot) :], self.targets[number])
        if self.fluency > 0 and length > 1:
            nll = tokens_nll(logits_of(self.model, hidden[:, : length - 1]), inserted[:, 1:])
            loss = loss + self.fluency * nll.mean(-1)
        return loss

    @torch.no_grad()
    def __call__(self, candidates: torch.Tensor) -> torch.Tensor:
        """Mean loss over the questions, float32 on the CPU (C,), of candidates (C, n)."""
        total = []
        for ids in candidates.to(self.device).split(self.batch_size):
            embeds = self.embed(ids)
            total.append(sum(self._of_slot(embeds, ids, number) for number in range(len(self.slots))))
        return torch.cat(total).float().cpu() / len(self.slots)

    def gradient(self, ids: torch.Tensor) -> torch.Tensor:
        """Gradient (n, V) of the mean loss at the one-hot vectors of ids (n,), float32 on the CPU."""
        weight, ids = self.embed.weight.float(), ids.to(self.device)
        hot = one_hot(ids, len(weight)).float().requires_grad_()
        total = torch.zeros_like(hot)
        for number in range(len(self.slots)):
            with backward_attention(self.device):
                # The embeddings are the model's own to the bit; only their gradient goes through the one-hot vectors.
                embeds = self.embed(ids) + ((hot - hot.detach()) @ weight).to(self.embed.weight.dtype)
                (part,) = torch.autograd.grad(self._of_slot(embeds[None], hot[None], number).sum(), hot)
            total += part
        return total.cpu() / len(self.slots)


def _compared(slot: Slot) -> int:
    """How many trailing positions are compared with the reference's: at least those that predict the answer."""
    return max(slot.shared, slot.answer + 1)


@dataclass(frozen=True)
class GreedyCoordinateGradient:
    """Search ``tokens`` tokens on ``questions`` forget questions of the select split; asked after each of ``steps``.

    A step tries ``candidates`` substitutions by the ``top_k`` tokens of each position. ``place``: on a line before the
    prompt, or directly ``after`` it. ``match``, ``layer`` and ``fluency``: see ``InsertionLoss``.
    """

    tokens: int
    questions: int
    steps: list
    candidates: int
    top_k: int
    place: Literal["before", "after"] = "before"
    match: Literal["answer", "representation"] = "answer"
    layer: int | None = None
    fluency: float = 0.0

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model asked with the best text after each number of steps; 0 steps are the plain question.

        Raises DataError when there are too few select questions or no tokens survive as text.
        """
        points = sorted(self.steps)
        if points[0] == 0:
            yield AttackedModel(attack.model, {"steps": 0}, "", as_it_is)
        if points[-1] == 0:
            return
        insertion = Insertion(attack.tokenizer, self._trained(attack), self.place)
        progress = Progress("gcg step", points[-1])
        for step, (ids, loss) in enumerate(self.search(attack, insertion, points[-1]), start=1):
            progress(step, f"loss {loss:.3f}")
            if step in points:
                yield self._asked(attack, insertion.decode(ids.tolist()), step, loss)

    def _asked(self, attack: AttackInput, text: str, step: int, loss: float) -> AttackedModel:
        ask = reworded(lambda prompt: insert(text, prompt, self.place))
        return AttackedModel(attack.model, {"steps": step}, f"{self.place} {text!r}, loss {loss:.3f}", ask)

    def _trained(self, attack: AttackInput):
        forget = attack.select[attack.select["role"] == "forget"]
        if len(forget) < self.questions:
            raise DataError(f"gcg wants {self.questions} select questions, there are {len(forget)}: lower questions")
        order = list(range(len(forget)))
        shuffler(attack.seed, "attack-questions").shuffle(order)
        return forget.iloc[order[: self.questions]]

    def search(self, attack: AttackInput, insertion: Insertion, steps: int) -> Iterator[tuple[torch.Tensor, float]]:
        """The best tokens (n,) so far and their loss, after each step."""
        loss_of = InsertionLoss(attack, insertion.slots, self._layer(), self.fluency)
        random = generator(attack.seed, "attack-tokens")
        usable = insertion.usable(len(loss_of.embed.weight))
        ids = insertion.start(usable, self.tokens, random)
        loss = loss_of(ids[None]).item()
        for _ in range(steps):
            top = top_candidates(loss_of.gradient(ids), usable, self.top_k)
            tried = [
                row for row in substitutions(ids, top, self.candidates, random) if insertion.survives(row.tolist())
            ]
            if tried:
                losses = loss_of(torch.stack(tried))
                if losses.min().item() < loss:
                    ids, loss = tried[losses.argmin()], losses.min().item()
            yield ids, loss

    def _layer(self) -> int | None:
        return self.layer if self.match == "representation" else None
