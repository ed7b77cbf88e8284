import copy

import pytest
from synthetic import inputs_of
from worlds import default_world

from unlearning_robustness.analysis.accuracy import differences
from unlearning_robustness.analysis.pairs import comparison_pairs

DEFAULT = {
    ("rna", "none"),
    ("rna-weak", "none"),
    ("rna-strong", "none"),
    ("rna", "early-stop"),
    ("rna", "gradient-noise"),
    ("rna", "same-distance"),
    ("rna", "same-operations"),
}


@pytest.fixture
def defences():
    return copy.deepcopy(default_world().config["defences"])


def pairs(defences):
    return set(comparison_pairs(defences, list(defences)))


def test_each_defence_is_compared_with_none_and_each_control_with_what_it_controls(defences):
    assert pairs(defences) == DEFAULT


def test_a_control_is_compared_with_what_it_names_whatever_its_size(defences):
    defences["gradient-noise"]["parameters"]["noise_scale"] = 2.4999
    assert pairs(defences) == DEFAULT


def test_of_two_rna_entries_of_one_size_each_control_is_compared_with_its_own(defences):
    defences["other-rna"] = copy.deepcopy(defences["rna"])
    defences["other-noise"] = copy.deepcopy(defences["gradient-noise"])
    defences["other-noise"]["parameters"]["match"] = "other-rna"
    assert pairs(defences) == DEFAULT | {("other-rna", "none"), ("other-rna", "other-noise")}


def test_a_baseline_of_its_own_is_compared_with_every_rna_that_varies_no_other(defences):
    defences["decay"] = {"kind": "weight-decay", "parameters": {"weight_decay": 0.1}}
    defences["other-rna"] = copy.deepcopy(defences["rna"])
    baseline = {pair for pair in pairs(defences) if "decay" in pair}
    assert baseline == {("decay", "none"), ("rna", "decay"), ("other-rna", "decay")}


def test_weight_noise_stands_against_plain_unlearning_and_a_combination_only_with_it(defences):
    defences["noise"] = {"kind": "weight-noise", "parameters": {"match": "none"}}
    assert ("none", "noise") in pairs(defences)
    assert comparison_pairs(defences, ["rna.gradient-noise"]) == [("rna.gradient-noise", "none")]


def test_renamed_defences_have_the_same_differences(defences):
    """Ids decide nothing, not even where their order is another."""
    world, names = default_world(), {"rna": "zeta", "gradient-noise": "alpha", "early-stop": "beta"}
    renamed = {names.get(name, name): entry for name, entry in defences.items()}
    for entry in renamed.values():
        for part in (entry, entry["parameters"]):
            part |= {key: names.get(part[key], part[key]) for key in ("match", "variant_of") if key in part}
    records = world.records.assign(defence=world.records["defence"].replace(names))
    table = differences(inputs_of(records, world.config | {"defences": renamed}))
    back = table.replace({new: old for old, new in names.items()}).sort_values(list(table)[:7], ignore_index=True)
    expected = world.tables["differences"].sort_values(list(table)[:7], ignore_index=True)
    assert back.equals(expected[list(table)]) and len(back)
