"""What runs forget and break on their way: curves over training steps, and where forgetting is complete."""

from collections.abc import Iterator

import numpy
import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, Intervals
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.scoring.bounds import not_above
from unlearning_robustness.scoring.records import FLOOR

READS = ("trajectory",)
SETTINGS = ()
AT = [*KIND, "steps", "change", "operations"]
COLUMNS = [*AT, "complete", "curve", "quantity", "mean", "low", "high", "least", "most", "facts", "seeds"]
QUANTITIES = ("accuracy", "probability", "log_probability")
# Paired differences between curves on the same facts: what is still known of the forget facts, and a token's harm.
DIFFERENCES = {"known": ("forget", "floor"), "harm": ("retain", "forget-token")}


def trajectory(inputs: Inputs) -> pandas.DataFrame:
    """One row a curve, quantity and recorded step of a kind of cell; ``least`` and ``most`` are of its seeds.

    Curves are ``forget``, ``floor`` (the forget questions about another entity), ``retain``, ``forget-token`` (retain
    questions behind one), ``neighbour`` and, after an attack, ``relearned``; ``known`` is forget less floor, ``harm``
    retain less forget-token. Quantities are ``accuracy``, and the right choice's ``probability`` among the choices and
    ``log_probability`` (nats). ``change`` is ||dW||, mean over seeds, and so is ``operations``. Forgetting is
    ``complete`` where facts are not shown to be known, by a one-sided test of ``known`` in probability.
    """
    recorded = inputs.recorded["trajectory"]
    rows = [
        row
        for kind, part in recorded.groupby(KIND, sort=True)
        for row in _rows(dict(zip(KIND, kind, strict=True)), part, inputs)
    ]
    return pandas.DataFrame(rows, columns=COLUMNS)


def complete_forgetting(inputs: Inputs) -> pandas.DataFrame:
    """The rows of the first step at which forgetting is complete, ``at`` complete, and of the ``end``.

    Of a kind of cell that never gets there only the end stands here.
    """
    return at_completion(trajectory(inputs))


def at_completion(table: pandas.DataFrame) -> pandas.DataFrame:
    """These rows of the table ``trajectory``."""
    first = table[table["complete"].astype(bool)].groupby(KIND)["steps"].min()
    last = table.groupby(KIND)["steps"].max()
    parts = []
    for name, steps in (("complete", first), ("end", last)):
        kept = table.merge(steps.reset_index(), on=[*KIND, "steps"])
        parts.append(kept.assign(at=name)[[*KIND, "at", *COLUMNS[len(KIND) :]]])
    return pandas.concat(parts, ignore_index=True).sort_values([*KIND, "at"], kind="stable", ignore_index=True)


def _rows(kind: dict, part: pandas.DataFrame, inputs: Inputs) -> Iterator[dict]:
    by_step = part.groupby("steps")[["change", "operations"]].mean()
    points, curves = [{"steps": steps, **row} for steps, row in by_step.to_dict("index").items()], _curves(part, inputs)
    for index, point in enumerate(points):
        known = curves["known"]["probability"][index] if "known" in curves else None
        point["complete"] = known is not None and _nothing_known(known, inputs.analysis["confidence"])
    for curve, tables in curves.items():
        for quantity, values in tables.items():
            for point, matrix in zip(points, values, strict=True):
                named, by_seed = {**kind, **point, "curve": curve, "quantity": quantity}, matrix.mean(-1)
                estimate = _estimate(curve, quantity, pandas.DataFrame(matrix), inputs.intervals)
                numbers = {name: getattr(estimate, name) for name in Estimate.__dataclass_fields__}
                yield {**named, **numbers, "least": by_seed.min(), "most": by_seed.max()}


def _nothing_known(known: numpy.ndarray, confidence: float) -> bool:
    """Whether the mean of values (seeds, facts) is not shown to be above zero by facts, as early stops are matched."""
    by_fact = known.mean(0)
    return not_above(by_fact, numpy.zeros_like(by_fact), confidence)


def _estimate(curve: str, quantity: str, matrix: pandas.DataFrame, intervals: Intervals) -> Estimate:
    """The interval of a mean over seeds and facts, as signed values and as shares have it."""
    signed = curve in DIFFERENCES or quantity == "log_probability"
    return intervals.effect(matrix) if signed else intervals.share(matrix)


def _curves(part: pandas.DataFrame, inputs: Inputs) -> dict[str, dict[str, numpy.ndarray]]:
    """By curve and quantity the values (steps, seeds, facts) of one kind of cell."""
    plain, token, _ = inputs.probes
    part = part.assign(accuracy=part["correct"].astype(float), probability=numpy.exp(part["log_probability"]))
    sets = {
        "forget": ("forget", plain), "floor": ("forget", FLOOR), "retain": ("retain", plain),
        "forget-token": ("retain", token), "neighbour": ("neighbour", plain),
    }  # fmt: skip
    frames = {
        name: part[(part["role"] == role) & (part["probe"] == probe) & (part["relearning"] == 0)]
        for name, (role, probe) in sets.items()
    }
    frames["relearned"] = part[(part["relearning"] > 0) & (part["relearning"] == part["relearning"].max())]
    curves = {name: {quantity: _values(frame, quantity) for quantity in QUANTITIES}
              for name, frame in frames.items() if len(frame)}  # fmt: skip
    for name, (first, second) in DIFFERENCES.items():
        if first in curves and second in curves:
            one, other = curves[first], curves[second]
            curves[name] = {quantity: one[quantity] - other[quantity] for quantity in QUANTITIES}
    return curves


def _values(frame: pandas.DataFrame, quantity: str) -> numpy.ndarray:
    """Values (steps, seeds, facts), each in order. Raises ValueError when a fact was not asked at every step."""
    wide = frame.pivot(index=["steps", "seed"], columns="fact", values=quantity)
    steps, seeds = (wide.index.get_level_values(name).nunique() for name in ("steps", "seed"))
    if wide.isna().any(axis=None) or len(wide) != steps * seeds:
        raise ValueError("every fact must be asked at every step under every seed")
    return wide.to_numpy(dtype=float).reshape(steps, seeds, -1)
