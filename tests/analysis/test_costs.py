import pandas
import pytest

from unlearning_robustness.analysis.costs import COLUMNS, costs
from unlearning_robustness.analysis.inputs import Inputs


def table_of(entries):
    return costs(Inputs({"measures": pandas.DataFrame(entries)}, {}))


def entry(method, defence, seed, factor=1.0, **changes):
    spent = {
        "forwards": 10,
        "backwards": 8,
        "tokens": 100,
        "operations": 1e9,
        "cpu_seconds": 4.0,
        "peak_memory_mb": 500,
    }
    place = {"model": "m", "benchmark": "b", "method": method, "defence": defence, "seed": seed, "steps": 4}
    return {**place, **{name: factor * value for name, value in spent.items()}, **changes}


def test_costs_are_means_over_seeds_and_ratios_to_the_same_method_without_a_defence():
    entries = [
        entry("npo", "none", 0),
        entry("npo", "none", 1, 3.0),
        entry("npo", "sam", 0, 6.0),
        entry("ga", "none", 0, 9.0),
    ]
    table = table_of(entries).set_index(["method", "defence"])
    assert table.loc[("npo", "none"), "forwards"] == 20 and table.loc[("npo", "none"), "forwards_ratio"] == 1
    assert table.loc[("npo", "sam"), "operations"] == 6e9
    assert table.loc[("npo", "sam"), "operations_ratio"] == pytest.approx(6 / 2)
    assert table.loc[("ga", "none"), "tokens_ratio"] == 1


def test_without_a_plain_run_there_is_no_ratio():
    row = table_of([entry("npo", "sam", 0)]).iloc[0]
    assert row["forwards"] == 10 and pandas.isna(row["forwards_ratio"])


def test_the_reference_and_cells_of_older_runs_have_no_costs():
    reference = pandas.DataFrame([entry("reference", "none", 0)])
    older = pandas.DataFrame([entry("npo", "none", 0)]).drop(columns=["operations"])
    for table in (table_of(reference), table_of(older)):
        assert table.empty and list(table.columns) == COLUMNS
