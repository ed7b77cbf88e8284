"""Effects over models, such as generated worlds, of which each has facts, seeds and an interval of its own.

With ``analysis.replicates: models`` other models of the same kind are what an interval is about, beside other seeds and
other facts. How far models differ beyond their own errors is a component of variance, never below zero.
"""

import math
from collections.abc import Iterator, Sequence

import numpy
import pandas
from scipy.special import stdtr, stdtrit

from unlearning_robustness.analysis import accuracy, attacked, corrected_recovery, floors, matrix, recovery, yardstick
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect, fact_matrix
from unlearning_robustness.analysis.power import combined_error
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers", "attacked")
SETTINGS = ("defences", "probes")
MODELS = "models"


def level_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``accuracy`` are means of: (names, values (seeds, facts))."""
    keys = [*KIND, "role", "probe"]
    for values, part in inputs.unattacked.groupby(keys, sort=True):
        yield dict(zip(keys, values, strict=True)), fact_matrix(part)


# What the rows of a table are means of.
VALUES = {
    "differences": accuracy.difference_values,
    "token_effects": accuracy.token_values,
    "above_floor": floors.above_values,
    "attacked_differences": attacked.attacked_values,
    "recovery": recovery.recovery_values,
    "recovery_differences": recovery.difference_values,
    "matrix_differences": matrix.difference_values,
    "interactions": matrix.interaction_values,
    "yardstick": yardstick.distance_values,
    "corrected_recovery": corrected_recovery.recovery_values,
}


def over_models(effects: Sequence[Effect], confidence: float) -> Effect:
    """The mean of the effects of several models, which are independent, with its t interval.

    With m models, the variance of the mean is the larger one of the models' own variances and of the spread between
    them, divided by m. Where models differ by no more than by their own errors, freedom is that of these errors, else
    m - 1. In simulations of 3 to 8 models it covers 93 to 97 % (docs/measurement.md). Of one model it is its own.
    """
    if len(effects) == 1:
        return effects[0]
    count, means = len(effects), numpy.array([effect.mean for effect in effects])
    own, freedom = combined_error((effect.error**2 / count**2, effect.freedom) for effect in effects)
    spread = float(means.std(ddof=1)) / math.sqrt(count)
    error, freedom = (spread, count - 1) if spread > own else (own, freedom)
    mean, half = float(means.mean()), float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error)) if error else float(mean == 0)
    facts, seeds = sum(effect.facts for effect in effects), min(effect.seeds for effect in effects)
    return Effect(mean, mean - half, mean + half, facts, seeds, error, freedom, p)


def by_kind(rows: Iterator[tuple[dict, pandas.DataFrame]]) -> dict[tuple, list[tuple[dict, pandas.DataFrame]]]:
    """The rows of all models that have the same names beside the model's and the benchmark's."""
    kinds: dict[tuple, list] = {}
    for named, values in rows:
        kinds.setdefault(tuple(item for item in named.items() if item[0] not in PLACE), []).append((named, values))
    return kinds


def replicated(inputs: Inputs) -> pandas.DataFrame:
    """One row a table and what it has of every model: the mean over models with its interval.

    ``table`` is accuracy (each kind of cell on its own) or one of ``VALUES``; ``models`` is how many models it rests
    on, ``facts`` the facts of all of them, ``seeds`` those of each. Empty unless the analysis says so.
    """
    rows = []
    if inputs.analysis.get("replicates") == MODELS:
        for table, values_of in {"accuracy": level_values, **VALUES}.items():
            for kind, parts in by_kind(values_of(inputs)).items():
                effects = [inputs.intervals.effect(values) for _, values in parts]
                together = over_models(effects, inputs.analysis["confidence"])
                rows.append({"table": table, **dict(kind), "models": len(effects), **vars(together)})
    columns = ["table", *dict.fromkeys(key for row in rows for key in row if key != "table")]
    return pandas.DataFrame(rows, columns=columns if rows else ["table", "models", *Effect.__dataclass_fields__])
