from types import SimpleNamespace

from unlearning_robustness.config.cells import Cell, attacked_cells, cell_of, cells, in_order


def grid(methods, defences, attacks, seeds):
    return {"methods": methods.split(), "defences": defences.split(), "attacks": attacks.split(), "seeds": seeds}


def study(*grids):
    return {"models": ["m"], "benchmarks": ["b"], "seeds": [3, 4], "cells": list(grids)}


def short(pairs):
    return {(cell.method, cell.defence, cell.seed, attack) for cell, attack in pairs}


def test_the_cells_are_the_union_of_the_grids_each_a_cross_product():
    found = attacked_cells(study(grid("x y", "none d", "none", [3]), grid("x", "d", "none a", [3, 4])))
    expected = {(method, defence, 3, "none") for method in "xy" for defence in ("none", "d")}
    expected |= {("x", "d", seed, attack) for seed in (3, 4) for attack in ("none", "a")}
    assert short(found) == expected
    assert len(found) == len(expected)


def test_models_and_benchmarks_multiply_every_grid():
    many = study(grid("x", "none", "none", [3])) | {"models": ["m", "n"], "benchmarks": ["b", "c"]}
    assert {(cell.model, cell.benchmark) for cell in cells(many)} == {("m", "b"), ("m", "c"), ("n", "b"), ("n", "c")}


def test_the_reference_is_scored_once_but_attacked_under_each_seed():
    found = short(attacked_cells(study(grid("reference", "none", "none a", [3, 4]))))
    assert found == {("reference", "none", 3, "none"), ("reference", "none", 3, "a"), ("reference", "none", 4, "a")}


def test_a_reference_of_a_grid_with_other_seeds_is_still_scored_under_the_studys_first():
    found = short(attacked_cells(study(grid("reference", "none", "none", [9]))))
    assert found == {("reference", "none", 3, "none")}


def test_a_cell_that_is_attacked_in_several_ways_is_trained_once():
    assert cells(study(grid("x", "none", "none a", [3]))) == [Cell("m", "b", "x", "none", 3)]


def test_axes_come_in_the_order_in_which_grids_first_name_them():
    two = study(grid("z y", "none", "none", [3]), grid("a z", "d none", "q", [3]))
    assert in_order(two, "methods") == ["z", "y", "a"]
    assert in_order(two, "defences") == ["none", "d"]
    assert in_order(two, "attacks") == ["none", "q"]


def test_the_path_of_a_cell_names_every_axis_and_wildcards_name_the_cell():
    cell = Cell("m", "b", "x", "d.e", 12)
    assert cell.path == "m/b/x/d.e/seed12"
    assert cell_of(SimpleNamespace(**{**vars(cell), "seed": "12"})) == cell
