"""An attack's settings are chosen on the select split: what recovers most while the model stays useful."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

Score = dict[str, float]


class SelectAccuracy:
    """Accuracy of attacked models on the select questions, forget and retain."""

    def __init__(self, attack: AttackInput):
        if attack.select is None:
            raise DataError("this attack chooses its settings on the select split, and was given no such questions")
        self.attack = attack
        self.asked = {role: part for role, part in attack.select.groupby("role") if role in ("forget", "retain")}
        self.plain = {role: self._scorer(part) for role, part in self.asked.items()}

    def _scorer(self, questions) -> QuestionScorer:
        return QuestionScorer(self.attack.tokenizer, questions, self.attack.batch_size)

    def __call__(self, attacked: AttackedModel) -> Score:
        """Accuracy by role."""
        found = {}
        for role, questions in self.asked.items():
            scorer = self.plain[role] if attacked.ask is as_it_is else self._scorer(attacked.ask(questions))
            found[role] = _share(scorer, attacked.read(scorer, attacked.model))
        return found

    def readings(self, model: nn.Module, read: Callable[[QuestionScorer, nn.Module], torch.Tensor]) -> list[Score]:
        """The same of several read-outs of one model, plainly asked: ``read`` gives log-likelihoods (S, Q, C)."""
        found = {role: (scorer, read(scorer, model)) for role, scorer in self.plain.items()}
        count = len(next(iter(found.values()))[1])
        return [
            {role: _share(scorer, scores[place]) for role, (scorer, scores) in found.items()} for place in range(count)
        ]


def _share(scorer: QuestionScorer, scores: torch.Tensor) -> float:
    """Share of questions whose likeliest choice, of log-likelihoods (Q, C), is the answer."""
    return float((scores.argmax(-1).numpy() == scorer.table["answer"].to_numpy()).mean())


def best(scores: Iterable[tuple[object, Score]], start: Score, utility_bound: float) -> tuple[object, Score]:
    """Of (setting, score) pairs the one with the highest forget accuracy whose retain accuracy is at most
    ``utility_bound`` below ``start``'s; of equal ones the first. Without such a one, that of the highest retain
    accuracy.
    """
    pairs = list(scores)
    allowed = [pair for pair in pairs if pair[1]["retain"] >= start["retain"] - utility_bound - 1e-9]
    if not allowed:
        return max(pairs, key=lambda pair: pair[1]["retain"])
    return max(allowed, key=lambda pair: pair[1]["forget"])
