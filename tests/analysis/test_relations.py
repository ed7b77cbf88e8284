import pandas
import pytest
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.relations import MACRO, MICRO, relations

CORRECT = {"virology": [1, 1, 1, 0, 0, 0, 0, 0], "geography": [1, 1], "religions": [1, 0]}


@pytest.fixture
def records():
    rows = [
        {"relation": name, "fact": f"{name}/{index}", "correct": bool(value), "seed": seed, "attack": attack}
        for name, values in CORRECT.items()
        for index, value in enumerate(values)
        for seed in (0, 1)
        for attack in ("none", "relearn")
    ]
    place = {"model": "m", "benchmark": "b", "method": "rmu", "defence": "none", "role": "retain", "probe": "plain"}
    return pandas.DataFrame(rows).assign(**place)


def test_micro_counts_questions_and_macro_subjects(records):
    other = records.assign(probe="forget-token", correct=False)
    both = pandas.concat([records, other])
    table = relations(inputs_of(both, analysis(bootstrap_samples=400))).set_index("relation")
    assert table.loc["virology", "mean"] == 3 / 8
    assert table.loc[MICRO, "mean"] == 6 / 12
    assert table.loc[MACRO, "mean"] == pytest.approx((3 / 8 + 1 + 1 / 2) / 3)
    assert table.loc[MACRO, "low"] < table.loc[MACRO, "mean"] < table.loc[MACRO, "high"]
    assert table.loc[MACRO, "facts"] == 12 and len(table) == 5


def test_averages_agree_where_subjects_are_of_one_size(records):
    even = records[~records["fact"].isin([f"virology/{index}" for index in range(2, 8)])]
    table = relations(inputs_of(even, analysis(bootstrap_samples=400))).set_index("relation")
    assert table.loc[MICRO, "mean"] == pytest.approx(table.loc[MACRO, "mean"])
    assert table.loc[MICRO, "high"] - table.loc[MICRO, "low"] == pytest.approx(
        table.loc[MACRO, "high"] - table.loc[MACRO, "low"], abs=0.2
    )
