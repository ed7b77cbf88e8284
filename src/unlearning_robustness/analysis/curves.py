"""Forget accuracy along an attack's budget as curves, and the quantities that a curve has.

A curve begins with the unattacked model on the same questions.
"""

from dataclasses import dataclass

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.floors import floor_of
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import fact_matrix
from unlearning_robustness.config.cells import KIND, PLACE, REFERENCE

RUN = ["attack", "documents"]
# The quantities of a curve that are means over seeds and facts.
MEANS = ("start", "lost", "area", "gap")


@dataclass(frozen=True)
class Curve:
    """``steps`` (T,), the answers there, the unattacked reference's and last the floor's, (T + 2, seeds, facts).

    The floor is what the cell answers about other entities, 0 where that is not asked.
    """

    steps: numpy.ndarray
    answers: numpy.ndarray
    facts: tuple[str, ...]
    seeds: tuple[int, ...]

    def quantities(self, bootstrap: CrossedBootstrap | None = None) -> dict[str, numpy.ndarray]:
        """The quantities of the curve, or with a bootstrap those of each of its draws (samples,)."""
        levels = self.answers.mean(axis=(-2, -1)) if bootstrap is None else bootstrap.drawn(self.answers)
        return quantities(self.steps, levels[..., :-2], levels[..., -2], levels[..., -1])

    def means(self) -> dict[str, pandas.DataFrame]:
        """Those quantities that are means of a value (seeds, facts), as these values: of the curve of each fact."""
        levels = numpy.moveaxis(self.answers, 0, -1)
        values = quantities(self.steps, levels[..., :-2], levels[..., -2], levels[..., -1])
        return {name: pandas.DataFrame(values[name], self.seeds, self.facts) for name in MEANS}


def area(steps: numpy.ndarray, levels: numpy.ndarray) -> numpy.ndarray:
    """Mean level (...) over the budget, by trapezoids, of levels (..., T) at ``steps`` (T,)."""
    return numpy.trapezoid(levels, steps, axis=-1) / (steps[-1] - steps[0])


def crossing(steps: numpy.ndarray, levels: numpy.ndarray, threshold: numpy.ndarray) -> numpy.ndarray:
    """Where levels (..., T) first reach ``threshold`` (...), interpolated between steps; infinite where they do not."""
    reached = levels >= threshold[..., None]
    after = reached.argmax(axis=-1)
    before = numpy.maximum(after - 1, 0)
    low, high = (numpy.take_along_axis(levels, index[..., None], axis=-1)[..., 0] for index in (before, after))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        part = numpy.where(after > 0, (threshold - low) / (high - low), 0.0)
    crossed = steps[before] + part * (steps[after] - steps[before])
    return numpy.where(reached.any(axis=-1), crossed, numpy.inf)


def quantities(
    steps: numpy.ndarray, levels: numpy.ndarray, reference: numpy.ndarray, floor: numpy.ndarray | float = 0.0
) -> dict[str, numpy.ndarray]:
    """What a curve of levels (..., T) says beside the levels (...) of the reference and of the floor; each (...).

    ``start``: before the attack. ``lost``: reference - start. ``area``: mean accuracy over the budget. ``share``: area
    above the start or the floor, whichever is higher, of what the reference has above it, since accuracy below the
    floor is no knowledge lost. ``half_steps``: steps until half of that is back. ``gap``: end - start. Without a loss,
    shares are not numbers.
    """
    start = levels[..., 0]
    lost, mean, base = reference - start, area(steps, levels), numpy.maximum(start, floor)
    known = numpy.where(reference > base, reference - base, numpy.nan)
    half = crossing(steps, levels, base + known / 2)
    return {
        "start": start,
        "lost": lost,
        "area": mean,
        "share": (mean - base) / known,
        "half_steps": numpy.where(numpy.isnan(known), numpy.nan, half),
        "gap": levels[..., -1] - start,
    }


def curves(inputs: Inputs) -> dict[tuple, Curve]:
    """Every curve by (model, benchmark, method, defence, attack, documents)."""
    stepped = inputs.attacked[(inputs.attacked["role"] == "forget") & (inputs.attacked["steps"] > 0)]
    unattacked = inputs.plain[inputs.plain["role"] == "forget"]
    by_run = {}
    for keys, part in stepped.groupby([*KIND, *RUN], sort=True):
        asked = unattacked[unattacked["question"].isin(part["question"].unique())]
        asked = asked[(asked[PLACE] == list(keys[:2])).all(axis=1)]
        levels = {steps: fact_matrix(rows) for steps, rows in part.groupby("steps")}
        own = asked[(asked["method"] == keys[2]) & (asked["defence"] == keys[3])]
        reference = asked[asked["method"] == REFERENCE]
        if reference.empty:
            continue
        end = levels[max(levels)]
        stack = [_like(end, fact_matrix(own)), *(_like(end, level) for level in levels.values())]
        stack.append(_like(end, fact_matrix(reference)))
        floor = floor_of(inputs, keys[: len(KIND)], list(end.columns))
        stack.append(numpy.zeros_like(stack[-1]) if floor is None else _like(end, floor))
        by_run[keys] = Curve(numpy.array([0, *levels]), numpy.stack(stack), tuple(end.columns), tuple(end.index))
    return by_run


def _like(end: pandas.DataFrame, level: pandas.DataFrame) -> numpy.ndarray:
    """The values in the order of ``end``; one row (the reference) stands for every seed."""
    rows = level.iloc[[0] * len(end)] if len(level) == 1 else level.loc[end.index]
    return rows[list(end.columns)].to_numpy(dtype=float)
