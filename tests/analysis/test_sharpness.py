import numpy
import pandas
import pytest
from synthetic import analysis, inputs_of
from synthetic_measures import nothing
from worlds import study_world

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.sharpness import beside_recovery, correlations, sharpness, start_errors

CELL = {"model": "m", "benchmark": "b", "method": "npo"}
BOOTSTRAP = CrossedBootstrap(200, 0.95, 0)


def cells(values, starts=None):
    """One measure and the gain of (defence, seed) cells; ``starts`` in an order of their own by default."""
    measured, recovery = [], []
    for number, (value, gain) in enumerate(values):
        named = {**CELL, "defence": f"d{number // 2}", "seed": number % 2}
        start = number * 7 % 5 / 10 if starts is None else starts[number]
        measured.append({**named, "statistic": "sam_gap", "at": 1.0, "value": value, "error": 0.0})
        recovery.append({**named, "gain": gain, "weight_change": -value, "before": start})
    return pandas.DataFrame(measured), pandas.DataFrame(recovery)


def correlated(table, given="nothing"):
    return correlations(table, BOOTSTRAP).query("given == @given").set_index("statistic")


def test_measures_stand_beside_what_relearning_brings_back_and_among_them_what_needs_no_curvature():
    table = beside_recovery(*cells([(1.0, 0.1), (2.0, 0.2), (3.0, 0.3)], [0.7, 0.5, 0.6]))
    gaps, values = table[table["statistic"] == "sam_gap"], table.set_index("statistic")["value"]
    assert gaps["gain"].tolist() == [0.1, 0.2, 0.3] and gaps["start"].tolist() == [0.7, 0.5, 0.6]
    assert values["weight_change"].tolist() == [-1.0, -2.0, -3.0] and values["start"].tolist() == [0.7, 0.5, 0.6]
    assert set(values.index) == {"sam_gap", "weight_change", "start"}


def test_a_planted_order_is_a_correlation_of_one_and_its_reverse_of_minus_one():
    table = beside_recovery(*cells([(float(n), n / 10) for n in range(8)]))
    found = correlated(table)
    assert found.loc["sam_gap", ["mean", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert found.loc["weight_change", "mean"] == pytest.approx(-1) and found.loc["sam_gap", "cells"] == 8


def test_seeds_of_one_defence_are_drawn_together():
    # Within each defence the order is reversed, between them it holds.
    values = [(10 * kind + seed, kind - 0.1 * seed) for kind in range(4) for seed in range(2)]
    found = correlated(beside_recovery(*cells(values))).loc["sam_gap"]
    assert found["low"] < found["mean"] < 1 and found["mean"] > 0.8


def test_a_measure_that_only_follows_what_was_forgotten_predicts_nothing_at_equal_start():
    random = numpy.random.default_rng(3)
    start = random.permutation(60)
    own = random.normal(0, 2, (2, 60))
    values = [(-a, -b) for a, b in zip(start + own[0], start + own[1], strict=True)]
    table = beside_recovery(*cells(values, start.tolist()))
    assert correlated(table).loc["sam_gap", "low"] > 0.9
    equal = correlated(table, "start")
    assert equal.loc["sam_gap", "low"] < 0 < equal.loc["sam_gap", "high"]
    # What a straight line in its own ranks explains leaves nothing: no correlation instead of one of rounding errors.
    assert "start" not in equal.index and correlated(table).loc["start", "mean"] < -0.9


@pytest.mark.parametrize(("shared", "uncorrected"), [(0.0, 0.8), (-0.25, 0.0)])
def test_what_is_held_fixed_may_have_errors(shared, uncorrected):
    """Sharpness and gain only follow a start that is measured with reliability .8: no effect at equal start.

    Uncorrected a false effect is shown in nearly all studies; a gain that is counted from the measured start has the
    same error with the other sign, which hides it in part.
    """
    random, place, errors = (
        numpy.random.default_rng(5),
        ("m", "b", "npo"),
        {"plain": (0.0, 0.0), "mended": (0.25, shared)},
    )
    bootstrap, shown = CrossedBootstrap(40, 0.95, 0), {name: [] for name in errors}
    for _ in range(50):
        start, noise = random.normal(size=80), random.normal(size=80) / 2
        value, gain = (-start + 0.5 * random.normal(size=80) for _ in range(2))
        gain += noise * (shared / 0.25)
        table = beside_recovery(*cells(list(zip(value, gain, strict=True)), (start + noise).tolist()))
        for name, error in errors.items():
            rows = correlations(table[table["statistic"] == "sam_gap"], bootstrap, {place: error})
            row = rows.query("given == 'start'").iloc[0]
            shown[name].append(row["low"] > 0 or row["high"] < 0)
    assert numpy.mean(shown["plain"]) > uncorrected and numpy.mean(shown["mended"]) <= 0.14


def test_errors_of_the_start_are_those_of_a_draw_of_facts():
    """Cells that know facts with their own chance, asked 40 facts: the error is that of a share of 40."""
    random, rows = numpy.random.default_rng(2), []
    for defence in (f"d{number}" for number in range(40)):
        for attack, steps, chance in (("none", 0, 0.4), ("relearn", 5, 0.7)):
            rows.append(pandas.DataFrame({
                **CELL, "defence": defence, "seed": 0, "attack": attack, "documents": 0, "steps": steps, "setting": "",
                "probe": "plain", "role": "forget", "fact": range(40), "question": range(40),
                "correct": random.random(40) < chance,
            }))  # fmt: skip
    errors = start_errors(inputs_of(pandas.concat(rows), analysis()))[("m", "b", "npo")]
    assert errors == pytest.approx((0.24 / 40, -0.24 / 40), rel=0.1)


def test_too_few_kinds_or_no_attack_give_no_correlation():
    assert correlations(beside_recovery(*cells([(1.0, 0.1), (2.0, 0.2)])), BOOTSTRAP).empty
    measured, recovery = cells([(float(n), n / 10) for n in range(8)])
    unattacked = beside_recovery(measured, recovery.iloc[:0])
    assert unattacked["gain"].isna().all() and correlations(unattacked, BOOTSTRAP).empty
    assert sharpness(Inputs({"sharpness": nothing("sharpness")}, analysis())).empty


def test_the_study_s_plain_cells_are_the_sharpest_as_planted():
    table = study_world("stableun-controls").tables["sharpness"].query("statistic == 'sam_gap' and at == 2.0")
    assert set(table.loc[table["value"] > 5.9, "defence"]) == {"none"}
