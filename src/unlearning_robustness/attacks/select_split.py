"""An attack's settings are chosen on the select split: what recovers most while the model stays useful."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.bounds import at_least
from unlearning_robustness.scoring.questions import QuestionScorer

Score = dict[str, float]


class SelectAccuracy:
    """Accuracy of attacked models on the select questions, forget and retain. Raises DataError without any."""

    def __init__(self, attack: AttackInput):
        if attack.select is None:
            raise DataError("this attack chooses its settings on the select split, and was given no such questions")
        self.attack = attack
        self.questions = {role: part for role, part in attack.select.groupby("role") if role in ("forget", "retain")}
        self.plain = {role: self._scorer(part) for role, part in self.questions.items()}

    def _scorer(self, questions) -> QuestionScorer:
        return QuestionScorer(self.attack.tokenizer, questions, self.attack.batch_size)

    def __call__(self, attacked: AttackedModel) -> Score:
        """Accuracy by role."""
        accuracy = {}
        for role, questions in self.questions.items():
            scorer = self.plain[role] if attacked.ask is as_it_is else self._scorer(attacked.ask(questions))
            accuracy[role] = scorer.accuracy_of(attacked.read(scorer, attacked.model))
        return accuracy

    def readings(self, model: nn.Module, read: Callable[[QuestionScorer, nn.Module], torch.Tensor]) -> list[Score]:
        """The same of S read-outs of one model, plainly asked: ``read`` gives log-likelihoods (S, Q, C)."""
        scores = {role: read(scorer, model) for role, scorer in self.plain.items()}
        return [
            {role: self.plain[role].accuracy_of(part) for role, part in zip(scores, parts, strict=True)}
            for parts in zip(*scores.values(), strict=True)
        ]


def best(scores: Iterable[tuple[object, Score]], start: Score, utility_bound: float) -> tuple[object, Score]:
    """The (setting, score) with the highest forget accuracy that stays useful; of equal ones the first.

    Useful is a retain accuracy at most ``utility_bound`` below ``start``'s. Where no setting is, the one with the
    highest retain accuracy stands in.
    """
    pairs = list(scores)
    useful = [pair for pair in pairs if at_least(pair[1]["retain"], start["retain"] - utility_bound)]
    if not useful:
        return max(pairs, key=lambda pair: pair[1]["retain"])
    return max(useful, key=lambda pair: pair[1]["forget"])
