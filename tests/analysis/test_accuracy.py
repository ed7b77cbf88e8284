import numpy
import pandas
import pytest
from synthetic import ONLY_RMU, inputs_of, planted_accuracy, planted_records, planted_tables, study
from worlds import default_world

from unlearning_robustness.analysis.accuracy import accuracy
from unlearning_robustness.analysis.relearning import early_recovery, relearning
from unlearning_robustness.config.cells import Cell


@pytest.fixture
def config():
    return default_world().config


@pytest.fixture
def records():
    return default_world().records


@pytest.fixture
def tables():
    return default_world().tables


def one(table, **wanted):
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_planted_accuracies_lie_within_their_intervals(tables):
    table = tables["accuracy"]
    inside = []
    for row in table.itertuples():
        cell = Cell(row.model, row.benchmark, row.method, row.defence, 0)
        truth = planted_accuracy(cell, "none", row.role, row.probe, 0)
        inside.append(row.low - 1e-9 <= truth <= row.high + 1e-9)
        assert abs(row.mean - truth) < 0.15
    assert numpy.mean(inside) > 0.85


def test_accuracy_is_the_mean_over_seeds_and_facts_of_what_was_answered(tables, records):
    row = one(tables["accuracy"], method="rmu", defence="rna", role="forget", probe="plain")
    query = "attack == 'none' and method == 'rmu' and defence == 'rna' and role == 'forget' and probe == 'plain'"
    part = records.query(query)
    assert row["mean"] == pytest.approx(part["correct"].mean(), rel=1e-12)
    assert (row["seeds"], row["facts"], row["questions"]) == (3, 40, 80)
    assert row["tied"] == pytest.approx(part["tied"].mean()) and 0 < row["tied"] < 1


def test_the_reference_rests_on_one_seed(tables):
    assert set(tables["accuracy"].query("method == 'reference'")["seeds"]) == {1}


def test_differences_are_paired_means_over_the_same_questions(tables, records):
    row = one(tables["differences"], method="rmu", first="rna", second="none", role="retain", probe="forget-token")
    part = records.query("attack == 'none' and method == 'rmu' and role == 'retain' and probe == 'forget-token'")
    means = part.groupby("defence")["correct"].mean()
    assert row["mean"] == pytest.approx(means["rna"] - means["none"], rel=1e-12)
    assert row["low"] > 0
    assert (row["facts"], row["seeds"]) == (40, 3)


def test_equal_answers_differ_by_nothing_within_what_so_many_facts_can_exclude(tables):
    row = one(tables["differences"], method="npo-kl", first="rna", second="none", role="retain", probe="forget-token")
    half = 1 - 0.025 ** (1 / row["facts"])
    assert (row["mean"], row["low"], row["high"], row["p"]) == pytest.approx((0.0, -half, half, 1.0))


def test_the_effect_of_a_token_is_split_into_token_control_and_beyond(tables, records):
    rows = tables["token_effects"].query("method == 'rmu' and defence == 'none'").set_index("contrast")["mean"]
    part = records.query("attack == 'none' and method == 'rmu' and defence == 'none' and role == 'retain'")
    means = part.groupby("probe")["correct"].mean()
    assert rows["token"] == pytest.approx(means["forget-token"] - means["plain"])
    assert rows["control"] == pytest.approx(means["neutral-token"] - means["plain"])
    assert rows["beyond_control"] == pytest.approx(rows["token"] - rows["control"])
    assert rows["beyond_control"] < -0.15


def test_relearning_starts_at_the_unattacked_accuracy_on_the_same_questions(tables, records):
    curve = (
        tables["relearning"].query("method == 'rmu' and defence == 'rna' and attack == 'relearn'").set_index("steps")
    )
    assert list(curve.index) == [0, 5, 15]
    unattacked = records.query(
        "attack == 'none' and method == 'rmu' and defence == 'rna' and role == 'forget' and probe == 'plain'"
    )
    asked = records.query("attack == 'relearn'")["question"].unique()
    same = unattacked[unattacked["question"].isin(asked)]
    assert len(same) == len(unattacked) / 2
    assert curve.loc[0, "mean"] == pytest.approx(same["correct"].mean(), rel=1e-12)
    assert curve["mean"].is_monotonic_increasing


def test_every_point_of_a_relearning_curve_is_there_once(tables):
    keys = ["method", "defence", "attack", "documents", "steps"]
    assert not tables["relearning"].duplicated(keys).any()
    few = tables["relearning"].query("attack == 'relearn-few' and method == 'rmu' and defence == 'none'")
    assert set(zip(few["documents"], few["steps"], strict=True)) == {(n, s) for n in (5, 10, 20) for s in (0, 5, 15)}
    assert few[few["steps"] == 0]["mean"].nunique() == 1


def test_an_attack_that_is_also_scored_after_no_step_starts_once(records):
    part = records[(records["method"] == "rmu") & (records["defence"] == "none")]
    start = part[(part["attack"] == "relearn") & (part["steps"] == 5)].assign(steps=0)
    table = relearning(inputs_of(pandas.concat([part, start]), default_world().config))
    assert not table.duplicated(["attack", "documents", "steps"]).any()


def test_attacked_differences_are_paired_at_each_budget(tables, records):
    row = one(
        tables["attacked_differences"],
        method="rmu",
        attack="relearn",
        steps=5,
        documents=60,
        quantity="level",
        first="rna",
        second="none",
    )
    part = records.query("attack == 'relearn' and method == 'rmu' and steps == 5")
    means = part.groupby("defence")["correct"].mean()
    assert row["mean"] == pytest.approx(means["rna"] - means["none"])


def test_early_recovery_is_what_a_cell_gains_on_the_same_questions(tables, records):
    table = tables["early_recovery"]
    assert "reference" not in set(table["method"])
    row = one(table, method="rmu", defence="rna", seed=1)
    cell = records.query("method == 'rmu' and defence == 'rna' and seed == 1 and role == 'forget'")
    after = cell.query("attack == 'relearn' and steps == 5")
    plain = cell.query("attack == 'none' and probe == 'plain'")
    before = plain[plain["question"].isin(after["question"])]
    assert row["gain"] == pytest.approx(after["correct"].mean() - before["correct"].mean())
    assert row["weight_change"] == 22.0


def test_early_recovery_takes_the_largest_budget(records, config):
    analysis = config["analysis"] | {"attack": "relearn-few", "early_steps": 15}
    table = early_recovery(inputs_of(records, config | {"analysis": analysis}, default_world().measures))
    few = records.query("attack == 'relearn-few' and documents == 20 and steps == 15")
    assert set(table["after"].round(9)) <= set(few.groupby(["defence", "seed"])["correct"].mean().round(9))
    assert len(table) == 6


def test_measures_have_one_row_a_cell(tables):
    keys = ["method", "defence", "seed"]
    assert not tables["measures"].duplicated(keys).any()
    assert len(tables["measures"]) == len(default_world().measures)


@pytest.mark.parametrize(
    "cells",
    [ONLY_RMU, [*ONLY_RMU, {"methods": ["rmu"], "defences": ["rna"], "attacks": ["none"]}]],
    ids=["bare", "rna"],
)
def test_a_study_without_attacks_has_empty_tables_of_attacks(tmp_path, cells):
    config = study(cells, seeds=[0])
    tables = planted_tables(config, tmp_path)
    asked = sum(len(config["probes"][name]["roles"]) for name in config["study"]["probes"])
    for name in ("relearning", "attacked_differences", "early_recovery"):
        assert len(tables[name]) == 0
    assert len(tables["differences"]) == (0 if cells is ONLY_RMU else asked)
    assert set(tables["accuracy"]["seeds"]) == {1}


def test_two_models_are_never_pooled(tmp_path):
    config = study(ONLY_RMU, seeds=[0])
    first = planted_records(config, tmp_path)
    both = pandas.concat([first, first.assign(model="other", correct=False)])
    table = accuracy(inputs_of(both, config))
    assert set(table.query("model == 'other'")["mean"]) == {0.0}
    assert table.query("model != 'other' and probe == 'plain'")["mean"].min() > 0.2
