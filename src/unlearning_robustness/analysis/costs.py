"""Measures of every cell, and what every defence costs, also as a multiple of plain unlearning."""

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.config.cells import KIND, NONE, REFERENCE

READS = ("measures",)
SETTINGS = ()
SPENT = ["forwards", "backwards", "tokens", "operations", "cpu_seconds", "peak_memory_mb"]
COLUMNS = [*KIND, "steps", *SPENT, *(f"{name}_ratio" for name in SPENT)]


def measures(inputs: Inputs) -> pandas.DataFrame:
    """One row a cell: perplexity, norm of the weight change, steps, relative noise, cpu seconds."""
    return inputs.recorded["measures"]


def costs(inputs: Inputs) -> pandas.DataFrame:
    """One row a kind of trained cell, means over seeds; ratios are to the method without a defence, if it is there.

    Operations are floating point operations of training alone; seconds and memory are those of the whole process.
    """
    measured = inputs.recorded["measures"]
    # Without an unattacked cell nothing is measured, and of the reference alone nothing is spent.
    if not {"steps", *SPENT} <= set(measured):
        return pandas.DataFrame(columns=COLUMNS)
    trained = measured[measured["method"] != REFERENCE]
    table = trained.groupby(KIND, as_index=False)[["steps", *SPENT]].mean()
    plain = table[table["defence"] == NONE].drop(columns=["defence", "steps"])
    table = table.merge(plain, on=[name for name in KIND if name != "defence"], how="left", suffixes=("", "_plain"))
    for name in SPENT:
        table[f"{name}_ratio"] = table[name] / table[f"{name}_plain"]
    return table[COLUMNS]
