"""What many comparisons together allow to say: a study names one family of them before it runs.

The p-values are those of the intervals (``intervals.Effect``): about other facts and other seeds alike. A test that
holds the seeds fixed calls the luck of three seeds an effect in 8 to 15 % of cases.
"""

from collections.abc import Sequence

import numpy
import pandas

from unlearning_robustness.config.cells import ACCURACY, MEASURE, PLACE
from unlearning_robustness.errors import ConfigError

# The chance of any false one among what a family shows.
LEVEL = 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: below a level, they bound the chance of any false one by it."""
    values = numpy.asarray(p_values, dtype=float)
    order = values.argsort(kind="stable")
    stepped = values[order] * numpy.arange(len(values), 0, -1)
    adjusted = numpy.empty_like(values)
    adjusted[order] = numpy.minimum(numpy.maximum.accumulate(stepped), 1.0)
    return adjusted.tolist()


def shown(table: pandas.DataFrame) -> pandas.DataFrame:
    """The rows that differ from zero by their p-value adjusted within the study's family; none where it has none."""
    return table[table["p_holm"] < LEVEL] if "p_holm" in table else table.iloc[:0]


def rows_where(table: pandas.DataFrame, where: dict, key: str) -> pandas.DataFrame:
    """The rows whose columns have the value, or one of the values, of ``where``; of accuracy where no measure is named.

    Raises ConfigError, naming ``key``, for a column that is not there.
    """
    where = {MEASURE: ACCURACY} | where if MEASURE in table else where
    for column, values in where.items():
        if table.empty:
            break
        if column not in table:
            raise ConfigError(f"{key}: the table has no column {column!r}")
        table = table[table[column].isin(values if isinstance(values, list) else [values])]
    return table


def with_family(tables: dict[str, pandas.DataFrame], family: list[dict]) -> dict[str, pandas.DataFrame]:
    """The tables by name; those of the family have ``p_holm``: adjusted within its rows of a model and benchmark.

    An entry of the family has a ``table`` and ``where``. Rows outside the family have no ``p_holm``.
    """
    named = {entry["table"] for entry in family} & tables.keys()
    tables = tables | {name: tables[name].assign(p_holm=numpy.nan) for name in named}
    parts = [
        rows_where(tables[entry["table"]], entry["where"], "analysis.family.where").assign(table=entry["table"])
        for entry in family
        if entry["table"] in named
    ]
    rows = pandas.concat(parts).reset_index() if parts else pandas.DataFrame(columns=[*PLACE])
    rows = rows.drop_duplicates(["table", "index"]) if len(rows) else rows
    for _, place in rows.groupby(PLACE):
        for (table, index), adjusted in zip(place[["table", "index"]].to_numpy(), holm(place["p"]), strict=True):
            tables[table].loc[index, "p_holm"] = adjusted
    return tables
