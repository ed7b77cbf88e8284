"""An attack's settings are chosen on the select split: what recovers most while the model stays useful."""

from collections.abc import Callable, Iterable

import numpy
import pandas
import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.bounds import at_least
from unlearning_robustness.scoring.knowledge import right_log_probabilities
from unlearning_robustness.scoring.questions import QuestionScorer

Score = dict[str, float]
ROLES = ("forget", "retain")


def some_of(attack: AttackInput, count: int, start: int = 0, seed: int | None = None) -> pandas.DataFrame:
    """``count`` select questions of each role, or all there are, from ``start`` on in an order drawn by the seed.

    Without a ``seed`` it is the attack's.
    """
    parts = []
    for role in ROLES:
        questions = attack.select[attack.select["role"] == role]
        order = list(range(len(questions)))
        shuffler(attack.seed if seed is None else seed, f"attack-select/{role}").shuffle(order)
        parts.append(questions.iloc[order[start : start + count]])
    return pandas.concat(parts)


def halves(attack: AttackInput) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Two halves of the select questions of each role, drawn by the seed: one to choose on, one to confirm on.

    Raises DataError where a role has a single question.
    """
    drawn = some_of(attack, len(attack.select))
    counts = drawn["role"].value_counts()
    if counts.min() < 2:
        raise DataError(
            f"the select split has a single {counts.idxmin()} question, which leaves none to confirm a choice on: "
            "raise benchmarks.*.*.max_facts"
        )
    number = drawn.groupby("role").cumcount()
    return drawn[number % 2 == 0], drawn[number % 2 == 1]


class SelectAccuracy:
    """Accuracy of attacked models on select questions, forget and retain: all of them, or the ``questions`` given.

    Raises DataError without any.
    """

    def __init__(self, attack: AttackInput, questions: pandas.DataFrame | None = None):
        if attack.select is None:
            raise DataError("this attack chooses its settings on the select split, and was given no such questions")
        questions = attack.select if questions is None else questions
        self.attack, self.questions = attack, questions[questions["role"].isin(ROLES)]
        self.plain = self._scorer(self.questions)

    def _scorer(self, questions: pandas.DataFrame) -> QuestionScorer:
        return QuestionScorer(self.attack.tokenizer, questions, self.attack.batch_size)

    def __call__(self, attacked: AttackedModel) -> Score:
        """Accuracy by role."""
        scorer = self.plain if attacked.ask is as_it_is else self._scorer(attacked.ask(self.questions))
        return self._by_role(scorer, attacked.read(scorer, attacked.model))

    def readings(self, model: nn.Module, read: Callable[[QuestionScorer, nn.Module], torch.Tensor]) -> list[Score]:
        """The same of S read-outs of one model, plainly asked: ``read`` gives log-likelihoods (S, Q, C)."""
        return [self._by_role(self.plain, part) for part in read(self.plain, model)]

    def _by_role(self, scorer: QuestionScorer, sums: torch.Tensor) -> Score:
        values, roles = self.values(scorer, sums), scorer.table["role"]
        return {role: float(values[roles == role].mean()) for role in ROLES if (roles == role).any()}

    @staticmethod
    def values(scorer: QuestionScorer, sums: torch.Tensor) -> numpy.ndarray:
        """What each question counts (Q,), of log-likelihoods (Q, C): 1 where the answer is right, else 0."""
        return scorer.deciding(sums).argmax(-1) == scorer.table["answer"].to_numpy()


class SelectProbability(SelectAccuracy):
    """The mean probability of the right choice among the choices instead: it tells settings apart on few questions."""

    @staticmethod
    def values(scorer: QuestionScorer, sums: torch.Tensor) -> numpy.ndarray:
        """The probability of the right choice among the choices (Q,)."""
        return numpy.exp(right_log_probabilities(scorer.deciding(sums), scorer.table["answer"]))


def best(scores: Iterable[tuple[object, Score]], start: Score, utility_bound: float) -> tuple[object, Score]:
    """The (setting, score) with the highest forget accuracy that stays useful; of equal ones the first.

    Useful is a retain accuracy at most ``utility_bound`` below ``start``'s. Where no setting is, the one with the
    highest retain accuracy stands in.
    """
    return better_part(scores, start, utility_bound, 1)[0]


def better_part(
    scores: Iterable[tuple[object, Score]], start: Score, utility_bound: float, count: int
) -> list[tuple[object, Score]]:
    """The ``count`` best: useful ones by their forget score, then others by their retain score."""

    def rank(pair: tuple[object, Score]) -> tuple[bool, float]:
        useful = at_least(pair[1]["retain"], start["retain"] - utility_bound)
        return not useful, -pair[1]["forget" if useful else "retain"]

    return sorted(scores, key=rank)[:count]
