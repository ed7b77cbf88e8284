"""How much of what was forgotten an attack brings back, and how fast: whole curves instead of points.

Levels, gaps and areas are means of what the curve of each fact has; of ratios and crossings every draw of the crossed
bootstrap computes the whole curve anew.
"""

from collections.abc import Iterator

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.curves import MEANS, RUN, Curve, curves
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers", "attacked")
SETTINGS = ("defences", "probes")
COLUMNS = ["quantity", *Effect.__dataclass_fields__, "budget", "note"]
COMPARED = [*PLACE, "method", *RUN, "first", "second"]
# Means of shares between 0 and 1, not of signed values.
LEVELS = ("start", "area")
NOTHING_LOST, BEYOND, OPEN = "nothing lost", "not within the budget", "a bound is not within the budget"


def recovery(inputs: Inputs) -> pandas.DataFrame:
    """One row a curve and quantity; ``budget`` is the curve's last step, ``note`` says why a number is missing."""
    rows, intervals, bootstrap = [], inputs.intervals, inputs.bootstrap
    for keys, curve in curves(inputs).items():
        named, means = dict(zip([*KIND, *RUN], keys, strict=True)), curve.means()
        estimates = {name: (intervals.share if name in LEVELS else intervals.effect)(means[name]) for name in MEANS}
        rows += _means(named, curve, estimates)
        rows += _ratios(
            named, curve, curve.quantities(), curve.quantities(bootstrap), _loses([curve], inputs), bootstrap
        )
    return pandas.DataFrame(rows, columns=[*KIND, *RUN, *COLUMNS])


def recovery_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``recovery`` that are signed means are means of: (names, values (seeds, facts))."""
    for keys, curve in curves(inputs).items():
        for name, values in curve.means().items():
            if name not in LEVELS:
                yield {**dict(zip([*KIND, *RUN], keys, strict=True)), "quantity": name}, values


def recovery_differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences, first - second, between defences of one method under one attack; the same draws for both."""
    rows, bootstrap = [], inputs.bootstrap
    for named, one, other in _compared(inputs):
        estimates = {
            name: inputs.intervals.effect(values) for name, values in _less(one.means(), other.means()).items()
        }
        rows += _means(named, one, estimates)
        sides = [curve.quantities(bootstrap) for curve in (one, other)]
        values, lost = _less(one.quantities(), other.quantities()), _loses([one, other], inputs)
        rows += _ratios(named, one, values, _less(*sides), lost, bootstrap)
    return pandas.DataFrame(rows, columns=[*COMPARED, *COLUMNS])


def difference_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``recovery_differences`` that are means are means of: (names, values (seeds, facts))."""
    for named, one, other in _compared(inputs):
        for name, values in _less(one.means(), other.means()).items():
            yield {**named, "quantity": name}, values


def _compared(inputs: Inputs) -> Iterator[tuple[dict, Curve, Curve]]:
    """The names and both curves of every comparison."""
    by_run = curves(inputs)
    for (*group, defence, attack, documents), one in by_run.items():
        for second in (second for first, second in inputs.pairs if first == defence):
            other = by_run.get((*group, second, attack, documents))
            if other is None:
                continue
            if (one.facts, one.seeds) != (other.facts, other.seeds):
                raise ValueError("a paired difference needs the same facts and seeds on both sides")
            yield dict(zip(COMPARED, (*group, attack, documents, defence, second), strict=True)), one, other


def _less(first: dict, second: dict) -> dict:
    with numpy.errstate(invalid="ignore"):
        return {name: first[name] - second[name] for name in first}


def _loses(compared: list[Curve], inputs: Inputs) -> bool:
    """Whether the interval of what was lost is above zero on every curve, so that shares of it mean something."""
    return all(inputs.intervals.effect(curve.means()["lost"]).low > 0 for curve in compared)


def _means(named: dict, curve: Curve, estimates: dict) -> list[dict]:
    """One row a quantity that is a mean."""
    budget = {"budget": int(curve.steps[-1]), "note": ""}
    return [{**named, "quantity": name, **vars(estimate), **budget} for name, estimate in estimates.items()]


def _ratios(
    named: dict, curve: Curve, values: dict, draws: dict, lost: bool, bootstrap: CrossedBootstrap
) -> list[dict]:
    """One row a quantity that is no mean; ``note`` says why a number is missing."""
    rows = []
    for name in [name for name in values if name not in MEANS]:
        numbers, note = [values[name], *_interval(draws[name], bootstrap)], ""
        if not lost:
            numbers, note = [numpy.nan] * 3, NOTHING_LOST
        elif not numpy.isfinite(values[name]):
            note = BEYOND
        elif not numpy.isfinite(numbers).all():
            note = OPEN
        bounds = [float(number) if numpy.isfinite(number) else numpy.nan for number in numbers]
        estimate = dict(zip(("mean", "low", "high"), bounds, strict=True))
        estimate |= {"facts": len(curve.facts), "seeds": len(curve.seeds), "budget": int(curve.steps[-1]), "note": note}
        rows.append({**named, "quantity": name, **estimate})
    return rows


def _interval(draws: numpy.ndarray, bootstrap: CrossedBootstrap) -> tuple[float, float]:
    """Bounds of the draws that are numbers; where some are infinite, the nearest draw outwards bounds."""
    numbers = draws[~numpy.isnan(draws)]
    if not len(numbers):
        return numpy.nan, numpy.nan
    tail = (1 - bootstrap.confidence) / 2
    ways = ("linear", "linear") if numpy.isfinite(numbers).all() else ("lower", "higher")
    return tuple(numpy.quantile(numbers, at, method=way) for at, way in zip((tail, 1 - tail), ways, strict=True))
