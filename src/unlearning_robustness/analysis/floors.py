"""The floor: what a model that knows nothing answers of each question set, measured instead of assumed to be chance.

Options that are likely whoever is asked about are right without knowledge. The same options asked about other entities
and options without a question measure that on the model itself; the study's yardstick, if it has one, is a model that
never knew.
"""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import effect_table, estimates, fact_matrix, paired
from unlearning_robustness.analysis.relations import MICRO
from unlearning_robustness.config.cells import ANOTHER_ENTITY, FLOORS, KIND

READS = ("answers",)
SETTINGS = ("probes",)
YARDSTICK = "yardstick"
KEYS = [*KIND, "role", "floor", "relation"]


def floors(inputs: Inputs) -> pandas.DataFrame:
    """Accuracy without knowledge, one row a kind of cell, role, way to measure it, and relation or all of them.

    ``floor`` is the way: ``another-entity``, ``no-question``, or ``yardstick``, the plain accuracy of that method.
    """
    return estimates(_answers(inputs), KEYS, inputs.intervals)


def above_floor(inputs: Inputs) -> pandas.DataFrame:
    """By how much accuracy on the plain questions is above the floor, paired by fact and seed."""
    return effect_table(above_values(inputs), KEYS, inputs.intervals)


def above_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``above_floor`` are means of: (names, values (seeds, facts))."""
    answers, plain = _answers(inputs), _with_average(inputs.plain)
    asked = dict(iter(plain.groupby([*KIND, "role", "relation"])))
    for keys, floor in answers.groupby(KEYS, sort=True):
        if keys[KEYS.index("floor")] == YARDSTICK:
            continue
        own = asked[(*keys[:5], keys[-1])]
        own = own[own["fact"].isin(set(floor["fact"]))]
        yield dict(zip(KEYS, keys, strict=True)), paired(fact_matrix(own), fact_matrix(floor))


def floor_of(inputs: Inputs, kind: tuple, facts: list[str]) -> pandas.DataFrame | None:
    """A cell's forget answers (seeds, facts) about other entities; None where not all ``facts`` are asked so."""
    records = inputs.unattacked[inputs.unattacked["probe"].isin(_probes(inputs, ANOTHER_ENTITY))]
    own = (records[KIND] == list(kind)).all(axis=1) & (records["role"] == "forget")
    matrix = fact_matrix(records[own])
    return matrix[facts] if set(facts) <= set(matrix.columns) else None


def _answers(inputs: Inputs) -> pandas.DataFrame:
    """Answers without knowledge, with a column ``floor``, once by relation and once for all relations together."""
    records, parts = inputs.unattacked, []
    for mode in FLOORS:
        parts.append(records[records["probe"].isin(_probes(inputs, mode))].assign(floor=mode))
    yardstick = inputs.plain["method"] == inputs.analysis.get("yardstick")
    parts.append(inputs.plain[yardstick].assign(floor=YARDSTICK))
    return _with_average(pandas.concat(parts, ignore_index=True))


def _with_average(records: pandas.DataFrame) -> pandas.DataFrame:
    return pandas.concat([records, records.assign(relation=MICRO)], ignore_index=True)


def _probes(inputs: Inputs, mode: str) -> list[str]:
    """The study's probes of a mode."""
    return [name for name, probe in inputs.settings.get("probes", {}).items() if probe["mode"] == mode]
