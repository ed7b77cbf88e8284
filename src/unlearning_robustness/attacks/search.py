"""The settings of a relearning attack, searched on the select questions for one kind of cell.

In the spirit of TamperBench's worst case over a stated number of trials: every kind of cell gets the same trials. They
are compared along their steps, and only the better ones go on (successive halving, Jamieson & Talwalkar 2016,
arXiv 1502.07943). A setting counts while the attacked model stays useful, and while it leaves the reference most of
what that knows: one that destroys knowledge cannot show that there is some.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy
import pandas
from torch import nn

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.config.searches import as_chosen, trials_of, tried
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.bounds import at_least
from unlearning_robustness.scoring.knowledge import KnowledgeScorer
from unlearning_robustness.scoring.questions import QuestionScorer


@dataclass(frozen=True)
class Point:
    """A setting after a number of steps, as the select questions see it.

    ``margins`` (Q,) are what the model knows of each forget fact, ``right`` (Q,) whether it answers it, ``retain`` its
    retain accuracy, and ``left`` the forget accuracy of the reference at the same point, of the reference its own.
    """

    settings: dict
    steps: int
    margins: numpy.ndarray
    right: numpy.ndarray
    retain: float
    left: float

    def known(self, facts: slice | numpy.ndarray = slice(None)) -> float:
        """The mean margin of these facts."""
        return float(self.margins[facts].mean())

    def row(self) -> dict:
        """The point as a search records it."""
        numbers = {"known": self.known(), "forget": float(self.right.mean()), "retain": self.retain, "left": self.left}
        return {"settings": self.settings, "steps": self.steps, **numbers}


@dataclass(frozen=True)
class Bounds:
    """The least retain accuracy of the attacked model, and the least forget accuracy of the reference, 0 to 1."""

    retain: float
    left: float

    def kept_by(self, point: Point) -> bool:
        """Whether a point is within both."""
        return bool(at_least(point.retain, self.retain) and at_least(point.left, self.left))


def best(points: Iterable[Point], bounds: Bounds, facts: slice | numpy.ndarray = slice(None)) -> Point:
    """The point within the bounds at which the model knows most of ``facts``, of equal ones the first.

    Where none is within them, the one that keeps most of retain accuracy and of the reference stands in.
    """
    points = list(points)
    within = [point for point in points if bounds.kept_by(point)]
    if within:
        return max(within, key=lambda point: point.known(facts))
    return max(points, key=lambda point: min(point.retain - bounds.retain, point.left - bounds.left))


def going_on(points: list[Point], bounds: Bounds, count: int) -> list[dict]:
    """The settings of the ``count`` best of equally long trials: first those within the bounds, by knowledge."""
    ranked = sorted(points, key=lambda point: (bounds.kept_by(point), point.known()), reverse=True)
    return [point.settings for point in ranked[:count]]


def halves(entities: pandas.Series, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Indices of the facts of either half of the entities, drawn by ``seed``."""
    names = sorted(set(entities))
    shuffler(seed, "search-halves").shuffle(names)
    first = entities.isin(names[::2]).to_numpy()
    return first.nonzero()[0], (~first).nonzero()[0]


def optimism(points: list[Point], bounds: Bounds, parts: tuple[numpy.ndarray, numpy.ndarray]) -> dict[str, float]:
    """By how much the choice flatters its winner: the winner on either half, there less on the other half, averaged.

    In units of knowledge and of forget accuracy. Averaging both ways takes out that one half is the harder one.
    """
    flattered = {"known": 0.0, "forget": 0.0}
    for chosen_on, other in (parts, parts[::-1]):
        winner = best(points, bounds, chosen_on)
        flattered["known"] += (winner.known(chosen_on) - winner.known(other)) / 2
        flattered["forget"] += float(winner.right[chosen_on].mean() - winner.right[other].mean()) / 2
    return flattered


class AttackSearch:
    """A search for one cell's attack; ``search`` is its resolved entry, ``entry`` that of the attack.

    ``reference`` is what the same search recorded of the reference, None for the reference itself.
    """

    def __init__(self, attack: AttackInput, entry: dict, search: dict, reference: dict | None = None):
        self.attack, self.entry, self.search, self.reference = attack, entry, search, reference
        select = {role: attack.select[attack.select["role"] == role] for role in ("forget", "retain")}
        self.entities = select["forget"]["entity"].reset_index(drop=True)
        self.forget = KnowledgeScorer.of(attack.tokenizer, select["forget"], attack.batch_size)
        self.retain = QuestionScorer(attack.tokenizer, select["retain"], attack.batch_size)

    def outcome(self) -> dict:
        """The winner, every point that was tried, and by how much the choice flatters it."""
        start = self._point(self.attack.model, {}, 0)
        bounds = Bounds(start.retain - self.search["utility_bound"], start.left - self.search["reference_bound"])
        points, settings = [], self._leaving_enough(trials_of(self.search), self.search["steps"][0], bounds)
        for steps, following in pairwise([*self.search["steps"], None]):
            reached = [self._tried(trial, steps) for trial in settings]
            points += reached
            settings = self._going_on(reached, following, bounds) if following else []
        winner = best(points, bounds)
        return {
            "start": start.row(),
            "chosen": winner.row() | {"within_bounds": bounds.kept_by(winner)},
            "optimism": optimism(points, bounds, halves(self.entities, self.search["seed"])),
            "points": [point.row() for point in points],
        }

    def _going_on(self, reached: list[Point], following: int, bounds: Bounds) -> list[dict]:
        """Whose trials go on to the following number of steps; of the reference's, which bound the others', all."""
        if not self.reference:
            return [point.settings for point in reached if bounds.kept_by(point)]
        able = [point for point in reached if at_least(self._left(point.settings, following), bounds.left)]
        return going_on(able, bounds, ceil(self.search["keep"] * len(reached)))

    def _leaving_enough(self, settings: list[dict], steps: int, bounds: Bounds) -> list[dict]:
        """Those that leave the reference enough after so many steps; where none does, the one that leaves most."""
        if not self.reference:
            return settings
        enough = [trial for trial in settings if at_least(self._left(trial, steps), bounds.left)]
        return enough or [max(settings, key=lambda trial: self._left(trial, steps))]

    def _left(self, settings: dict, steps: int) -> float:
        """The reference's forget accuracy at a point; 0 where it had lost too much before, and was not attacked on."""
        same = (
            row["forget"] for row in self.reference["points"] if (row["settings"], row["steps"]) == (settings, steps)
        )
        return next(same, 0.0)

    def taught(self, chosen: dict, asked: pandas.DataFrame) -> dict[str, float]:
        """The teaching control: accuracy on ``asked`` before and after the ``chosen`` attack on documents about these.

        ``reference`` is that of the model before unlearning.
        """
        scorer = QuestionScorer(self.attack.tokenizer, asked, self.attack.batch_size)
        before = scorer.accuracy(self.attack.model)
        with self.attack.reference():
            reference = scorer.accuracy(self.attack.model)
        control = {"corpus": self.search["control"]}
        after = self._attacked(chosen["settings"], chosen["steps"], scorer.accuracy, **control)
        return {"before": before, "after": after, "reference": reference}

    def _tried(self, settings: dict, steps: int) -> Point:
        point = self._attacked(settings, steps, lambda model: self._point(model, settings, steps))
        print(f"{settings}: {point.row()}", flush=True)
        return point

    def _attacked(self, settings: dict, steps: int, measure: Callable[[nn.Module], Any], **others) -> Any:
        """What ``measure`` says of the model after so many steps on most documents; the model comes back."""
        documents = [max(self.entry["parameters"]["documents"])]
        entry = tried(self.entry, settings, [steps], documents=documents, **others)
        with closing(ATTACKS[entry["kind"]](**entry["parameters"]).run(self.attack)) as running:
            return measure(next(running).model)

    def _point(self, model: nn.Module, settings: dict, steps: int) -> Point:
        sums = self.forget.asked.log_likelihoods(model)
        right, _ = self.forget.right_of(sums)
        left = float(right.mean())
        if self.reference:
            left = self._left(settings, steps) if steps else self.reference["start"]["forget"]
        return Point(settings, steps, self.forget.margins_of(sums), right, self.retain.accuracy(model), left)


def with_choice(entry: dict, recorded: Iterable[str | Path]) -> dict:
    """An attack's entry with what its search chose; as it is where nothing is recorded, since it names no search."""
    for path in recorded:
        entry = as_chosen(entry, read_json(path)["chosen"])
    return entry


def search_cell(
    model,
    tokenizer,
    seed: int,
    entry: dict,
    search: dict,
    questions: pandas.DataFrame,
    corpora: pandas.DataFrame,
    batch_size: int,
    reference: Callable[[], AbstractContextManager],
    recorded: dict | None,
) -> dict:
    """The search on one cell, and its teaching control on the forget questions of ``test``, which choose nothing.

    ``recorded`` is the search on the reference, None where ``model`` is the reference: it needs no control.
    """
    once = questions.drop_duplicates("fact")
    select, test = (once[once["split"] == split] for split in ("select", "test"))
    attack = AttackInput(model, tokenizer, corpora, seed, select, reference, batch_size)
    searching = AttackSearch(attack, entry, search, recorded)
    result = searching.outcome()
    if recorded and search["control"] != NONE:
        result["control"] = searching.taught(result["chosen"], test[test["role"] == "forget"])
        print(f"teaching control: {result['control']}", flush=True)
    return result
