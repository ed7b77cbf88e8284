"""What every defence spends, and how many times plain unlearning's that is."""

import pandas

from unlearning_robustness.config.cells import KIND, NONE, REFERENCE

SPENT = ["forwards", "backwards", "tokens", "operations", "cpu_seconds", "peak_memory_mb"]
COLUMNS = [*KIND, "steps", *SPENT, *(f"{name}_ratio" for name in SPENT)]


def costs(measures: pandas.DataFrame) -> pandas.DataFrame:
    """One row a kind of trained cell, means over seeds; ratios are to the method without a defence, if it is there.

    Operations are floating point operations of training alone; seconds and memory are those of the whole process.
    """
    known = [name for name in ("steps", *SPENT) if name in measures]
    trained = measures[measures["method"] != REFERENCE]
    if len(known) < 1 + len(SPENT) or trained.empty:
        return pandas.DataFrame(columns=COLUMNS)
    table = trained.groupby(KIND, as_index=False)[["steps", *SPENT]].mean()
    plain = table[table["defence"] == NONE].drop(columns=["defence", "steps"])
    table = table.merge(plain, on=[name for name in KIND if name != "defence"], how="left", suffixes=("", "_plain"))
    for name in SPENT:
        table[f"{name}_ratio"] = table[name] / table[f"{name}_plain"]
    return table[COLUMNS]
