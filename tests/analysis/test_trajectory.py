import numpy
import pandas
import pytest
from synthetic import analysis

from unlearning_robustness.analysis.inputs import Inputs, read_inputs
from unlearning_robustness.analysis.trajectory import COLUMNS, at_completion, complete_forgetting, trajectory
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.scoring.records import FLOOR

CELL = {"model": "m", "benchmark": "b", "method": "rmu", "defence": "none"}
SETS = {"forget": ("forget", "plain"), "floor": ("forget", FLOOR), "retain": ("retain", "plain"),
        "forget-token": ("retain", "forget-token")}  # fmt: skip


def answers(step, seed, levels, facts=10, relearning=0, **cell):
    """Of ``facts`` facts the first ``level`` share is right; the right choice has that probability."""
    rows = [
        {**CELL, **cell, "seed": seed, "steps": step, "change": step / 2 + seed, "operations": 10.0 * step,
         "relearning": relearning, "role": SETS[name][0], "probe": SETS[name][1], "fact": f"f{fact}",
         "correct": fact < facts * level, "log_probability": numpy.log(level + 0.01 * (fact % 2))}
        for name, level in levels.items() for fact in range(facts)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


def run(forget, defence="none", seeds=(0, 1)):
    """Forget levels by step over a floor of 0.4; retain accuracy behind a token falls by 0.1 a step."""
    return pandas.concat([
        answers(step, seed, {"forget": level, "floor": 0.4, "retain": 0.9, "forget-token": 0.9 - 0.1 * step},
                defence=defence)
        for seed in seeds for step, level in enumerate(forget)
    ])  # fmt: skip


def tables(frame):
    table = trajectory(Inputs({"trajectory": frame}, analysis()))
    return table, table.set_index(["defence", "curve", "quantity", "steps"]).sort_index()


def test_curves_are_means_over_seeds_and_facts_and_differences_are_paired():
    _, rows = tables(run([0.8, 0.6, 0.4]))
    assert rows.loc[("none", "forget", "accuracy")]["mean"].tolist() == pytest.approx([0.8, 0.6, 0.4])
    assert rows.loc[("none", "floor", "accuracy")]["mean"].tolist() == pytest.approx([0.4] * 3)
    assert rows.loc[("none", "known", "accuracy")]["mean"].tolist() == pytest.approx([0.4, 0.2, 0.0])
    # Every fact's probability differs by the same, so the paired difference has no spread; none at all proves no zero.
    known = rows.loc[("none", "known", "probability")]
    for column in ("mean", "low", "high"):
        assert known[column].tolist()[:2] == pytest.approx([0.4, 0.2])
    assert known["low"].iloc[2] < 0 < known["high"].iloc[2]
    harm = rows.loc[("none", "harm", "accuracy")]
    assert harm["mean"].tolist() == pytest.approx([0.0, 0.1, 0.2]) and harm["change"].tolist() == [0.5, 1.0, 1.5]
    assert set(harm["facts"]) == {10} and set(harm["seeds"]) == {2} and harm["operations"].tolist() == [0, 10, 20]
    margin = rows.loc[("none", "known", "log_probability")]["mean"].tolist()
    assert margin[2] == 0.0 and margin[0] == pytest.approx((numpy.log(0.8 / 0.4) + numpy.log(0.81 / 0.41)) / 2)


def test_the_band_is_from_the_least_seed_to_the_most():
    frame = pandas.concat([answers(0, seed, {"forget": level}) for seed, level in enumerate((0.2, 0.5, 0.8))])
    _, rows = tables(frame)
    row = rows.loc[("none", "forget", "accuracy", 0)]
    assert row[["mean", "least", "most"]].tolist() == pytest.approx([0.5, 0.2, 0.8])
    assert row["low"] < 0.3 and row["high"] > 0.7


def test_what_is_relearned_is_the_end_of_the_attacks_budget():
    frame = pandas.concat([answers(0, 0, {"forget": 0.4}), answers(0, 0, {"forget": 0.5}, relearning=2),
                           answers(0, 0, {"forget": 0.7}, relearning=5)])  # fmt: skip
    table, rows = tables(frame)
    assert rows.loc[("none", "relearned", "accuracy", 0)]["mean"] == pytest.approx(0.7)
    assert rows.loc[("none", "forget", "accuracy", 0)]["mean"] == pytest.approx(0.4)
    assert set(table["curve"]) == {"forget", "relearned"}


def test_forgetting_is_complete_at_the_first_step_without_knowledge_and_later_ones_are_over_training():
    frame = pandas.concat(
        [run([0.8, 0.4, 0.41, 0.4, 0.4]), run([0.8, 0.7, 0.6, 0.4, 0.4], "rna"), run([0.8, 0.7], "sam")]
    )
    marks = complete_forgetting(Inputs({"trajectory": frame}, analysis()))
    harm = marks[(marks["curve"] == "harm") & (marks["quantity"] == "accuracy")].set_index(["defence", "at"])
    assert harm["steps"].to_dict() == {("none", "complete"): 1, ("none", "end"): 4, ("rna", "complete"): 3,
                                       ("rna", "end"): 4, ("sam", "end"): 1}  # fmt: skip
    assert harm["mean"].tolist() == pytest.approx([0.1, 0.4, 0.3, 0.4, 0.1])


def test_what_is_known_on_average_is_not_complete_however_few_the_seeds():
    random = numpy.random.default_rng(0)

    def noisy(level, step):
        frame = answers(step, 0, {"forget": level, "floor": 0.4}, facts=100)
        drawn = numpy.clip(numpy.exp(frame["log_probability"]) + random.normal(0, 0.1, len(frame)), 0.01, 1)
        return frame.assign(log_probability=numpy.log(drawn))

    frame = pandas.concat([noisy(0.6, 0), noisy(0.5, 1), noisy(0.4, 2)])
    complete = tables(frame)[1].loc[("none", "known", "probability")]["complete"]
    assert complete.tolist() == [False, False, True]


def test_cells_are_never_pooled_and_what_was_not_asked_is_an_error():
    one = run([0.8, 0.4])
    table, _ = tables(pandas.concat([one, *(one.assign(**{name: "x"}) for name in KIND)]))
    assert set(table.groupby(KIND).size()) == {len(tables(one)[0])} and set(table["seeds"]) == {2}
    with pytest.raises(ValueError, match="asked at every step under every seed"):
        tables(one.iloc[1:])


def test_without_a_recorded_cell_both_tables_have_their_columns_and_no_rows():
    inputs = read_inputs({"trajectory": []}, analysis())
    assert trajectory(inputs).empty and list(trajectory(inputs)) == COLUMNS
    assert list(at_completion(trajectory(inputs))) == [*KIND, "at", *COLUMNS[len(KIND) :]]
