"""Greedy coordinate gradient: tokens before or after the question that make the model answer, or miss the answer.

Zou et al., arXiv 2307.15043: the gradient of the loss at one-hot tokens proposes substitutions, a random batch of them
is tried, the best is taken. One text serves all questions. Differs from the released code: the loss is of the right
choice against the others; a step that finds nothing better keeps what it has; every candidate must survive as text; of
the texts along the way it asks with the one that does best on held-out questions. ``match: representation`` is the
loss of the enhanced attack on unlearned models (arXiv 2409.18025, after FLRT, 2407.17447), reduced: the length is
fixed, and there is no buffer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

import pandas
import torch

from unlearning_robustness.attacks.base import Ask, AttackedModel, AttackInput, as_it_is
from unlearning_robustness.attacks.facts import AttackFacts, Scoring
from unlearning_robustness.attacks.insertion import Insertion, insert
from unlearning_robustness.attacks.insertion_loss import InsertionLoss
from unlearning_robustness.attacks.prompt_variants import PLAIN, rephrased
from unlearning_robustness.config.ranges import Count, Index, Indices, NonNegative
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.shape import FLOAT32, Shape, Work
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.seeds import generator, shuffler
from unlearning_robustness.scoring.questions import QuestionScorer


def top_candidates(gradient: torch.Tensor, usable: torch.Tensor, top_k: int) -> torch.Tensor:
    """Ids (n, k) of the usable tokens whose substitution lowers the loss most by its gradient (n, V), best first."""
    order = gradient[:, usable].topk(min(top_k, len(usable)), dim=-1, largest=False).indices
    return usable[order]


def substitutions(ids: torch.Tensor, top: torch.Tensor, count: int, random: torch.Generator) -> torch.Tensor:
    """At most ``count`` different copies (C, n) of ids (n,), each with one token replaced by one of top (n, k)."""
    positions = torch.randint(len(ids), (count,), generator=random)
    picks = torch.randint(top.shape[1], (count,), generator=random)
    changed = ids.repeat(count, 1)
    changed[torch.arange(count), positions] = top[positions, picks]
    return changed.unique(dim=0)


@dataclass(frozen=True)
class Asking:
    """A way to ask, in words, and its accuracy on the questions held out."""

    setting: str
    ask: Ask
    accuracy: float = 0.0


class HeldOut:
    """Keeps the way to ask with the highest, or ``lowest``, accuracy on held-out questions; the first of equal ones."""

    def __init__(self, attack: AttackInput, questions: pandas.DataFrame, lowest: bool = False):
        self.attack, self.questions, self.sign = attack, questions, -1 if lowest else 1
        self.best = self._tried(Asking(PLAIN, as_it_is))

    def _tried(self, asking: Asking) -> Asking:
        scorer = QuestionScorer(self.attack.tokenizer, asking.ask(self.questions), self.attack.batch_size)
        accuracy = scorer.accuracy(self.attack.model)
        return Asking(f"{asking.setting}, {accuracy:.3f} held out", asking.ask, accuracy)

    def better(self, asking: Asking) -> None:
        """Take it when it does better than the best so far; a text that merges with a choice cannot be asked."""
        try:
            tried = self._tried(asking)
        except ValueError:
            return
        self.best = tried if self.sign * tried.accuracy > self.sign * self.best.accuracy else self.best


@dataclass(frozen=True)
class GreedyCoordinateGradient:
    """Search ``inserted_tokens`` tokens on ``questions`` of a role in the select split; ask after each of ``steps``.

    With the ``role`` ``forget`` the tokens are to bring answers back, with ``retain`` to make them wrong: RNA's
    accuracy under attack. A step tries ``candidates`` substitutions by the ``top_k`` tokens of each position.
    ``place``: on a line ``before`` the prompt, or directly ``after`` it.

    ``match``: what the tokens are to bring about. ``contrast``, the right choice likelier than the wrong ones;
    ``answer``, the right choice likelier; ``representation``, the residual stream after ``layer`` as the reference has
    it without the tokens. ``fluency`` times the tokens' mean NLL is added to that loss.

    Every text that lowers the loss is tried on ``held_out`` other questions of the split. The attack asks with the one
    of the highest accuracy there (of retain questions the lowest), or plainly where none beats that; with 0 it asks
    with the text of the lowest loss.
    """

    inserted_tokens: Count
    questions: Count
    steps: Indices
    candidates: Count
    top_k: Count
    held_out: Index = 32
    role: Literal["forget", "retain"] = "forget"
    place: Literal["before", "after"] = "before"
    match: Literal["contrast", "answer", "representation"] = "contrast"
    layer: Index | None = None
    fluency: NonNegative = 0.0

    class Facts(AttackFacts):
        @staticmethod
        def compares_with_reference(settings: dict) -> bool:
            return settings["match"] == "representation"

        @staticmethod
        def problems(settings: dict) -> Iterator[tuple[str, str]]:
            match, needs_layer = settings["match"], settings["match"] == "representation"
            if needs_layer != (settings["layer"] is not None):
                yield "layer", f"{'missing; ' if needs_layer else 'only '}match: representation needs it"
            if settings["role"] == "retain" and match != "contrast":
                yield (
                    "role",
                    (
                        f"retain questions are to be missed, which {match} cannot say; "
                        "leave match out, or take role: forget"
                    ),
                )

        @staticmethod
        def opened_by_trigger(settings: dict) -> bool:
            return settings["role"] == "forget" and max(settings["steps"]) > 0

        @staticmethod
        def chooses_on(settings: dict) -> tuple[str, ...]:
            return (settings["role"],)

        @staticmethod
        def select_questions(settings: dict) -> tuple[str, int]:
            return "held_out", (settings["questions"] + settings["held_out"] if max(settings["steps"]) > 0 else 0)

        @staticmethod
        def scored_points(settings: dict) -> int:
            return len(settings["steps"])

        @staticmethod
        def candidates(settings: dict, shape: Shape) -> int:
            # The plain question, and at most one text a step.
            return 1 + max(settings["steps"]) if settings["held_out"] else 0

        @staticmethod
        def candidate_questions(settings: dict, select: int) -> int:
            return settings["held_out"]

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            # In every question a gradient a step, and a forward of each candidate.
            layers, length = shape.num_hidden_layers, settings["inserted_tokens"] + scoring.length
            passes, candidates = max(settings["steps"]) * settings["questions"], settings["candidates"]
            one_hot = settings["inserted_tokens"] * shape.vocab_size * 3 * FLOAT32
            batch = min(candidates, scoring.batch_size)
            return Work(
                operations=passes * (candidates + 3) * length * shape.forward(layers),
                layer_calls=passes * (ceil(candidates / scoring.batch_size) + 3) * layers,
                # The logits of a batch of candidates, or what one question's gradient needs.
                memory=max(shape.memory(batch * length), shape.memory(length, layers=layers) + one_hot),
            )

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model asked with the best text after each number of steps; 0 steps are the plain question.

        Raises DataError when there are too few select questions or no tokens survive as text.
        """
        scored = sorted(self.steps)
        if scored[0] == 0:
            yield AttackedModel(attack.model, {"steps": 0}, "", as_it_is)
        if scored[-1] == 0:
            return
        trained, others = self._questions(attack)
        insertion, held_out = Insertion(attack.tokenizer, trained, self.place), None
        if self.held_out:
            held_out = HeldOut(attack, others, lowest=self.role == "retain")
        progress, last, losses = Progress("gcg step", scored[-1]), None, []
        for step, (ids, loss) in enumerate(self.search(attack, insertion, scored[-1]), start=1):
            losses.append(loss)
            progress(step, f"loss {loss:.3f}")
            if last is None or not torch.equal(ids, last):
                asking, last = self._asking(insertion.decode(ids.tolist()), loss), ids
                if held_out:
                    held_out.better(asking)
            if step in scored:
                chosen = held_out.best if held_out else asking
                yield AttackedModel(
                    attack.model, {"steps": step}, chosen.setting, chosen.ask, continues=True, losses=tuple(losses)
                )

    def _asking(self, text: str, loss: float) -> Asking:
        ask = rephrased(lambda prompt: insert(text, prompt, self.place))
        return Asking(f"{self.place} {text!r}, loss {loss:.3f}", ask)

    def _questions(self, attack: AttackInput) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        """Questions of the role in the select split to search on, and others to choose on."""
        select, needed = attack.select[attack.select["role"] == self.role], self.questions + self.held_out
        if len(select) < needed:
            raise DataError(
                f"gcg needs {needed} {self.role} questions of the select split, which has {len(select)}: "
                "lower attacks.*.parameters.questions or attacks.*.parameters.held_out"
            )
        order = list(range(len(select)))
        shuffler(attack.seed, "attack-questions").shuffle(order)
        return select.iloc[order[: self.questions]], select.iloc[order[self.questions : needed]]

    def search(self, attack: AttackInput, insertion: Insertion, steps: int) -> Iterator[tuple[torch.Tensor, float]]:
        """The best tokens (n,) so far and their loss, after each step."""
        match = "mislead" if self.role == "retain" else self.match
        loss_of = InsertionLoss(attack, insertion.slots, match, self.layer, self.fluency)
        random = generator(attack.seed, "attack-tokens")
        usable = insertion.usable(len(loss_of.embed.weight))
        ids = insertion.start(usable, self.inserted_tokens, random)
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
