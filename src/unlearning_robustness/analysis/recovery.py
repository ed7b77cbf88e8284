"""How much of what was forgotten an attack brings back, and how fast: whole curves instead of points.

Every draw of the crossed bootstrap computes all quantities anew, so ratios and crossings have honest intervals.
"""

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate
from unlearning_robustness.analysis.curves import RUN, Curve, curves
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers", "attacked")
SETTINGS = ("defences",)
COLUMNS = ["quantity", *Estimate.__dataclass_fields__, "budget", "note"]
RELATIVE = ("share", "half_steps")
NOTHING_LOST, BEYOND, OPEN = "nothing lost", "not within the budget", "a bound is not within the budget"


def recovery(inputs: Inputs) -> pandas.DataFrame:
    """One row a curve and quantity; ``budget`` is the curve's last step, ``note`` says why a number is missing."""
    rows, bootstrap = [], inputs.bootstrap
    for keys, curve in curves(inputs).items():
        named, draws = dict(zip([*KIND, *RUN], keys, strict=True)), curve.quantities(bootstrap)
        rows += _rows(named, curve, curve.quantities(), draws, _loses(draws, bootstrap), bootstrap)
    return pandas.DataFrame(rows, columns=[*KIND, *RUN, *COLUMNS])


def recovery_differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences, first - second, between defences of one method under one attack; the same draws for both."""
    by_run, bootstrap, rows = curves(inputs), inputs.bootstrap, []
    for (*group, defence, attack, documents), one in by_run.items():
        for second in (second for first, second in inputs.pairs if first == defence):
            other = by_run.get((*group, second, attack, documents))
            if other is None:
                continue
            if (one.facts, one.seeds) != (other.facts, other.seeds):
                raise ValueError("a paired difference needs the same facts and seeds on both sides")
            sides = [curve.quantities(bootstrap) for curve in (one, other)]
            named = dict(zip([*PLACE, "method", *RUN], (*group, attack, documents), strict=True))
            named |= {"first": defence, "second": second}
            lost = all(_loses(draws, bootstrap) for draws in sides)
            rows += _rows(named, one, _less(one.quantities(), other.quantities()), _less(*sides), lost, bootstrap)
    return pandas.DataFrame(rows, columns=[*PLACE, "method", *RUN, "first", "second", *COLUMNS])


def _less(first: dict, second: dict) -> dict:
    with numpy.errstate(invalid="ignore"):
        return {name: first[name] - second[name] for name in first}


def _loses(draws: dict[str, numpy.ndarray], bootstrap: CrossedBootstrap) -> bool:
    """Whether the interval of what was lost is above zero, so that shares of it mean something."""
    return _interval(draws["lost"], bootstrap)[0] > 0


def _rows(named: dict, curve: Curve, values: dict, draws: dict, lost: bool, bootstrap: CrossedBootstrap) -> list[dict]:
    """One row a quantity; ``note`` says why a number is missing."""
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
