import numpy
import pandas
import pytest
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.curves import quantities
from unlearning_robustness.analysis.floors import YARDSTICK, above_floor, above_values, floor_of, floors
from unlearning_robustness.analysis.relations import MICRO
from unlearning_robustness.config.cells import ANOTHER_ENTITY, NO_QUESTION

PLACE = {"model": "m", "benchmark": "b", "defence": "none", "attack": "none", "split": "test", "tied": False}
PROBES = {"plain": {"mode": "plain"}, "swapped": {"mode": ANOTHER_ENTITY}, "bare": {"mode": NO_QUESTION}}
# Right answers of ten facts of each relation, two questions (swaps) a fact where there are two numbers.
RIGHT = {
    ("rmu", "plain"): {"symbol": [6], "series": [8]},
    ("rmu", "swapped"): {"symbol": [2, 4], "series": [8, 6]},
    ("rmu", "bare"): {"symbol": [1], "series": [3]},
    ("retrained", "plain"): {"symbol": [2], "series": [6]},
}


@pytest.fixture
def records():
    rows = [
        {"method": method, "probe": probe, "relation": relation, "fact": f"{relation}/{fact}", "seed": seed,
         "question": f"{relation}/{fact}/{number}", "correct": fact < count, "role": "forget"}
        for (method, probe), relations in RIGHT.items()
        for relation, counts in relations.items()
        for number, count in enumerate(counts)
        for fact in range(10)
        for seed in (0, 1)
    ]  # fmt: skip
    return pandas.DataFrame(rows).assign(**PLACE)


def read(records, **settings):
    inputs = inputs_of(records, analysis(**settings))
    inputs.settings["probes"] = PROBES
    return inputs


def test_a_floor_is_the_mean_over_swaps_by_relation_and_over_all(records):
    table = floors(read(records)).set_index(["method", "floor", "relation"])
    assert table.loc[("rmu", ANOTHER_ENTITY, "symbol"), "mean"] == pytest.approx(0.3)
    assert table.loc[("rmu", ANOTHER_ENTITY, "series"), "mean"] == pytest.approx(0.7)
    assert table.loc[("rmu", ANOTHER_ENTITY, MICRO), ["mean", "facts", "seeds"]].tolist() == [0.5, 20, 2]
    assert table.loc[("rmu", NO_QUESTION, MICRO), "mean"] == pytest.approx(0.2)
    assert (table["low"] < table["mean"]).all() and (table["high"] > table["mean"]).all()
    assert YARDSTICK not in table.index.get_level_values("floor")


def test_the_yardsticks_plain_answers_are_a_floor(records):
    table = floors(read(records, yardstick="retrained")).set_index(["method", "floor", "relation"])
    assert table.loc[("retrained", YARDSTICK, MICRO), "mean"] == pytest.approx(0.4)
    assert ("rmu", YARDSTICK, MICRO) not in table.index


def test_above_the_floor_is_paired_by_fact_and_may_be_claimed(records):
    table = above_floor(read(records, yardstick="retrained")).set_index(["floor", "relation"])
    assert table.loc[(ANOTHER_ENTITY, "symbol"), "mean"] == pytest.approx(0.3)
    assert table.loc[(ANOTHER_ENTITY, MICRO), "mean"] == pytest.approx(0.2)
    # Of series, where the floor is high, one fact in ten differs in half of its swaps.
    series = next(values for named, values in above_values(read(records)) if named["relation"] == "series")
    assert series.to_numpy().sum(axis=1).tolist() == [1.0, 1.0] and series.to_numpy().min() == 0.0
    assert set(table.index.get_level_values("floor")) == {ANOTHER_ENTITY, NO_QUESTION}


def test_facts_that_are_not_asked_otherwise_are_left_out_of_the_difference(records):
    fewer = records[(records["probe"] != "swapped") | ~records["fact"].str.endswith("9")]
    table = above_floor(read(fewer)).set_index(["floor", "relation"])
    assert table.loc[(ANOTHER_ENTITY, "symbol"), ["mean", "facts"]].tolist() == pytest.approx([1 / 3, 9])
    kind = ("m", "b", "rmu", "none")
    assert floor_of(read(fewer), kind, ["symbol/9"]) is None
    assert floor_of(read(records), kind, ["symbol/3", "symbol/0"]).iloc[0].tolist() == [0.5, 1.0]


def test_a_study_without_such_probes_has_no_floors(records):
    inputs = inputs_of(records[records["probe"] == "plain"], analysis())
    assert floors(inputs).empty and above_floor(inputs).empty


def test_the_share_recovered_counts_from_the_floor_where_the_start_is_below_it():
    steps, levels = numpy.array([0, 10, 20]), numpy.array([0.3, 0.5, 0.7])
    plain = quantities(steps, levels, numpy.array(0.9))
    assert plain["share"] == pytest.approx((0.5 - 0.3) / 0.6) and plain["half_steps"] == pytest.approx(15)
    above = quantities(steps, levels, numpy.array(0.9), numpy.array(0.4))
    assert above["share"] == pytest.approx((0.5 - 0.4) / 0.5) and above["half_steps"] == pytest.approx(17.5)
    assert (above["lost"], above["start"], above["gap"]) == pytest.approx((0.6, 0.3, 0.4))
    below = quantities(steps, levels, numpy.array(0.9), numpy.array(0.2))
    assert below["share"] == plain["share"]
    assert numpy.isnan(quantities(steps, levels, numpy.array(0.4), numpy.array(0.5))["share"])
