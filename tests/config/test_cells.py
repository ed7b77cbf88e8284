import pytest

from unlearning_robustness.config.cells import Cell, attacked_cells, cells, in_order, measured_cells


def grid(methods, defences, attacks):
    return {"methods": methods.split(), "defences": defences.split(), "attacks": attacks.split()}


def study(*grids):
    return {"models": ["m"], "benchmarks": ["b"], "seeds": [3, 4], "cells": list(grids)}


def short(pairs):
    return {(cell.method, cell.defence, cell.seed, attack) for cell, attack in pairs}


def test_the_cells_are_the_union_of_the_grids_each_a_cross_product():
    found = attacked_cells(study(grid("x y", "none d", "none"), grid("x", "d", "none a")))
    expected = {(method, defence, seed, "none") for method in "xy" for defence in ("none", "d") for seed in (3, 4)}
    expected |= {("x", "d", seed, "a") for seed in (3, 4)}
    assert short(found) == expected
    assert len(found) == len(expected)


def test_models_and_benchmarks_multiply_every_grid():
    many = study(grid("x", "none", "none")) | {"models": ["m", "n"], "benchmarks": ["b", "c"]}
    assert {(cell.model, cell.benchmark) for cell in cells(many)} == {("m", "b"), ("m", "c"), ("n", "b"), ("n", "c")}


def test_the_reference_is_scored_once_but_attacked_under_each_seed():
    found = short(attacked_cells(study(grid("reference", "none", "none a"))))
    assert found == {("reference", "none", 3, "none"), ("reference", "none", 3, "a"), ("reference", "none", 4, "a")}


@pytest.mark.parametrize(("attack", "seeds"), [({}, [3]), ({"attack": "a"}, [3, 4])])
def test_the_references_memorisation_is_measured_once_or_after_each_seeds_attack(attack, seeds):
    measured = {"memorisation": [grid("reference x", "none", "")], "latents": [grid("reference", "none", "")]}
    config = {"study": study() | measured, "memorisation": attack}
    found = [(cell.method, cell.seed) for cell in measured_cells(config, "memorisation")]
    assert found == [*(("reference", seed) for seed in seeds), ("x", 3), ("x", 4)]
    assert [cell.seed for cell in measured_cells(config, "latents")] == [3]


def test_a_cell_that_is_attacked_in_several_ways_is_trained_once():
    assert cells(study(grid("x", "none", "none a"))) == [Cell("m", "b", "x", "none", seed) for seed in (3, 4)]


def test_axes_come_in_the_order_in_which_grids_first_name_them():
    two = study(grid("z y", "none", "none"), grid("a z", "d none", "q"))
    assert in_order(two, "methods") == ["z", "y", "a"]
    assert in_order(two, "defences") == ["none", "d"]
    assert in_order(two, "attacks") == ["none", "q"]


def test_the_path_of_a_cell_names_every_axis():
    assert Cell("m", "b", "x", "d.e", 12).path == "m/b/x/d.e/seed12"
