"""How much of what was forgotten an attack brings back, and how fast: whole curves instead of points.

A curve is forget accuracy along an attack's budget; it begins with the unattacked model on the same questions. All
quantities are computed anew from every draw of the crossed bootstrap, so ratios and crossings have honest intervals.
"""

from dataclasses import dataclass

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.config.cells import KIND, NONE, PLACE, REFERENCE

RUN = ["attack", "documents"]
COLUMNS = ["quantity", *Estimate.__dataclass_fields__, "budget", "note"]
RELATIVE = ("share", "half_steps")
NOTHING_LOST, BEYOND, OPEN = "nothing lost", "not within the budget", "a bound is not within the budget"


@dataclass(frozen=True)
class Curve:
    """``steps`` (T,), the answers there and last the unattacked reference's, (T + 1, seeds, facts)."""

    steps: numpy.ndarray
    answers: numpy.ndarray
    facts: tuple[str, ...]
    seeds: tuple[int, ...]

    def quantities(self, bootstrap: CrossedBootstrap | None = None) -> dict[str, numpy.ndarray]:
        """The quantities of the curve, or with a bootstrap those of each of its draws (samples,)."""
        levels = self.answers.mean(axis=(-2, -1)) if bootstrap is None else bootstrap.drawn(self.answers)
        return quantities(self.steps, levels[..., :-1], levels[..., -1])


def area(steps: numpy.ndarray, levels: numpy.ndarray) -> numpy.ndarray:
    """Mean level (...) over the budget, by trapezoids, of levels (..., T) at ``steps`` (T,)."""
    return numpy.trapezoid(levels, steps, axis=-1) / (steps[-1] - steps[0])


def crossing(steps: numpy.ndarray, levels: numpy.ndarray, threshold: numpy.ndarray) -> numpy.ndarray:
    """Where levels (..., T) first reach ``threshold`` (...), interpolated between steps; infinite where they do not."""
    reached = levels >= threshold[..., None]
    after = reached.argmax(axis=-1)
    before = numpy.maximum(after - 1, 0)
    low, high = (numpy.take_along_axis(levels, place[..., None], axis=-1)[..., 0] for place in (before, after))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        part = numpy.where(after > 0, (threshold - low) / (high - low), 0.0)
    found = steps[before] + part * (steps[after] - steps[before])
    return numpy.where(reached.any(axis=-1), found, numpy.inf)


def quantities(steps: numpy.ndarray, levels: numpy.ndarray, reference: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """What a curve of levels (..., T) says beside the reference's level (...); each (...).

    ``start``: before the attack. ``lost``: reference - start. ``area``: mean accuracy over the budget. ``share``: area
    above the start, of what was lost. ``half_steps``: steps until half of it is back. ``gap``: end - start. Without a
    loss, shares are not numbers.
    """
    start = levels[..., 0]
    lost, mean = reference - start, area(steps, levels)
    known = numpy.where(lost > 0, lost, numpy.nan)
    half = crossing(steps, levels, start + known / 2)
    return {
        "start": start,
        "lost": lost,
        "area": mean,
        "share": (mean - start) / known,
        "half_steps": numpy.where(numpy.isnan(known), numpy.nan, half),
        "gap": levels[..., -1] - start,
    }


def curves(records: pandas.DataFrame) -> dict[tuple, Curve]:
    """Every curve by (model, benchmark, method, defence, attack, documents)."""
    attacked = records[(records["attack"] != NONE) & (records["role"] == "forget") & (records["steps"] > 0)]
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain") & (records["role"] == "forget")]
    found = {}
    for keys, part in attacked.groupby([*KIND, *RUN], sort=True):
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
        found[keys] = Curve(numpy.array([0, *levels]), numpy.stack(stack), tuple(end.columns), tuple(end.index))
    return found


def _like(end: pandas.DataFrame, level: pandas.DataFrame) -> numpy.ndarray:
    """The values in the order of ``end``; one row (the reference) stands for every seed."""
    rows = level.iloc[[0] * len(end)] if len(level) == 1 else level.loc[end.index]
    return rows[list(end.columns)].to_numpy(dtype=float)


def recovery(found: dict[tuple, Curve], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """One row a curve and quantity; ``budget`` is the curve's last step, ``note`` says why a number is missing."""
    rows = []
    for keys, curve in found.items():
        named, draws = dict(zip([*KIND, *RUN], keys, strict=True)), curve.quantities(bootstrap)
        rows += _rows(named, curve, curve.quantities(), draws, _loses(draws, bootstrap), bootstrap)
    return pandas.DataFrame(rows, columns=[*KIND, *RUN, *COLUMNS])


def recovery_differences(
    found: dict[tuple, Curve], pairs: list[tuple[str, str]], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Paired differences, first - second, between defences of one method under one attack; the same draws for both."""
    rows = []
    for keys, one in found.items():
        place, defence, run = keys[:3], keys[3], keys[4:]
        for second in (second for first, second in pairs if first == defence):
            other = found.get((*place, second, *run))
            if other is None:
                continue
            if (one.facts, one.seeds) != (other.facts, other.seeds):
                raise ValueError("a paired difference needs the same facts and seeds on both sides")
            sides = [curve.quantities(bootstrap) for curve in (one, other)]
            named = dict(zip([*PLACE, "method", *RUN], (*place, *run), strict=True))
            named |= {"first": defence, "second": second}
            lost = all(_loses(draws, bootstrap) for draws in sides)
            values = _less(one.quantities(), other.quantities())
            rows += _rows(named, one, values, _less(*sides), lost, bootstrap)
    return pandas.DataFrame(rows, columns=[*PLACE, "method", *RUN, "first", "second", *COLUMNS])


def _less(first: dict, second: dict) -> dict:
    with numpy.errstate(invalid="ignore"):
        return {name: first[name] - second[name] for name in first}


def _loses(draws: dict[str, numpy.ndarray], bootstrap: CrossedBootstrap) -> bool:
    """Whether the interval of what was lost is above zero, so that shares of it mean something."""
    return _interval(draws["lost"], bootstrap)[0] > 0


def _rows(named: dict, curve: Curve, values: dict, draws: dict, lost: bool, bootstrap: CrossedBootstrap) -> list[dict]:
    """One row a quantity; a number that is not there is missing, and noted."""
    rows = []
    for name, value in values.items():
        numbers, note = [value, *_interval(draws[name], bootstrap)], ""
        if name in RELATIVE and not lost:
            numbers, note = [numpy.nan] * 3, NOTHING_LOST
        elif not numpy.isfinite(value):
            note = BEYOND
        elif not numpy.isfinite(numbers).all():
            note = OPEN
        mean, low, high = (float(number) if numpy.isfinite(number) else numpy.nan for number in numbers)
        estimate = Estimate(mean, low, high, len(curve.facts), len(curve.seeds))
        rows.append({**named, "quantity": name, **vars(estimate), "budget": int(curve.steps[-1]), "note": note})
    return rows


def _interval(draws: numpy.ndarray, bootstrap: CrossedBootstrap) -> tuple[float, float]:
    """Bounds of the draws that are numbers; where some are infinite, the nearest draw outwards bounds."""
    numbers = draws[~numpy.isnan(draws)]
    if not len(numbers):
        return numpy.nan, numpy.nan
    tail = (1 - bootstrap.confidence) / 2
    ways = ("linear", "linear") if numpy.isfinite(numbers).all() else ("lower", "higher")
    return tuple(numpy.quantile(numbers, at, method=way) for at, way in zip((tail, 1 - tail), ways, strict=True))
