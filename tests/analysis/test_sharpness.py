import pandas
import pytest
from worlds import study_world

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.sharpness import read_sharpness, sharpness, sharpness_correlations

CELL = {"model": "m", "benchmark": "b", "method": "npo"}
BOOTSTRAP = CrossedBootstrap(200, 0.95, 0)


def cells(values):
    """One measure and the gain of (defence, seed) cells."""
    measured, recovery = [], []
    for number, (value, gain) in enumerate(values):
        named = {**CELL, "defence": f"d{number // 2}", "seed": number % 2}
        measured.append({**named, "statistic": "sam_gap", "at": 1.0, "value": value, "error": 0.0})
        recovery.append({**named, "gain": gain, "weight_change": -value})
    return pandas.DataFrame(measured), pandas.DataFrame(recovery)


def test_measures_stand_beside_what_relearning_brings_back_and_the_weight_change_among_them():
    table = sharpness(*cells([(1.0, 0.1), (2.0, 0.2), (3.0, 0.3)]))
    gaps = table[table["statistic"] == "sam_gap"]
    assert gaps["gain"].tolist() == [0.1, 0.2, 0.3] and set(table["statistic"]) == {"sam_gap", "weight_change"}
    assert table[table["statistic"] == "weight_change"]["value"].tolist() == [-1.0, -2.0, -3.0]


def test_a_planted_order_is_a_correlation_of_one_and_its_reverse_of_minus_one():
    table = sharpness(*cells([(float(n), n / 10) for n in range(8)]))
    found = sharpness_correlations(table, BOOTSTRAP).set_index("statistic")
    assert found.loc["sam_gap", ["mean", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert found.loc["weight_change", "mean"] == pytest.approx(-1) and found.loc["sam_gap", "cells"] == 8


def test_seeds_of_one_defence_are_drawn_together():
    # Within each defence the order is reversed, between them it holds.
    values = [(10 * kind + seed, kind - 0.1 * seed) for kind in range(4) for seed in range(2)]
    found = sharpness_correlations(sharpness(*cells(values)), BOOTSTRAP).set_index("statistic").loc["sam_gap"]
    assert found["low"] < found["mean"] < 1 and found["mean"] > 0.8


def test_too_few_kinds_or_no_attack_give_no_correlation():
    assert sharpness_correlations(sharpness(*cells([(1.0, 0.1), (2.0, 0.2)])), BOOTSTRAP).empty
    measured, recovery = cells([(float(n), n / 10) for n in range(8)])
    unattacked = sharpness(measured, recovery.iloc[:0])
    assert unattacked["gain"].isna().all() and sharpness_correlations(unattacked, BOOTSTRAP).empty
    assert sharpness(read_sharpness([]), recovery).empty


def test_the_study_s_plain_cells_are_the_sharpest_as_planted():
    table = study_world("stableun").tables["sharpness"].query("statistic == 'sam_gap' and at == 2.0")
    assert set(table.loc[table["value"] > 5.9, "defence"]) == {"none"}
