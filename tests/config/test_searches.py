import pytest

from unlearning_robustness.config import resolve
from unlearning_robustness.config.searches import as_chosen, searched_kinds, trials_of
from unlearning_robustness.errors import ConfigError

GRID = [{"trained": ["full", "lora"], "learning_rate": [1e-4, 5e-4]}, {"learning_rate": [1e-3]}]
ENTRY = {"label": "x", "parameters": {"steps": [5, 15, 30], "epochs": None, "learning_rate": 1e-3, "batch_size": 4}}


def test_a_grid_gives_every_combination_in_order_and_more_than_the_trials_are_drawn_by_the_seed():
    every = trials_of({"grid": GRID, "trials": 9, "seed": 0})
    assert every == [
        {"trained": trained, "learning_rate": rate} for trained in ("full", "lora") for rate in (1e-4, 5e-4)
    ] + [{"learning_rate": 1e-3}]
    drawn = [trials_of({"grid": GRID, "trials": 2, "seed": seed}) for seed in (0, 0, 1, 2, 3)]
    assert all(len(trials) == 2 and [one for one in every if one in trials] == trials for trials in drawn)
    assert drawn[0] == drawn[1] and any(other != drawn[0] for other in drawn[2:])


def test_the_chosen_settings_replace_the_attacks_and_end_its_budget():
    for steps, scored in ((30, [5, 15, 30]), (15, [5, 15]), (20, [5, 15, 20]), (3, [3]), (60, [5, 15, 30, 60])):
        entry = as_chosen(ENTRY, {"settings": {"learning_rate": 1e-4, "trained": "full"}, "steps": steps})
        assert entry["parameters"] == ENTRY["parameters"] | {
            "steps": scored, "learning_rate": 1e-4, "trained": "full"
        }  # fmt: skip
    by_passes = ENTRY | {"parameters": ENTRY["parameters"] | {"steps": None, "epochs": [1, 2]}}
    entry = as_chosen(by_passes, {"settings": {}, "steps": 8})
    assert (entry["parameters"]["steps"], entry["parameters"]["epochs"]) == ([8], None)


def test_each_attacked_kind_and_the_reference_are_searched_once_for_all_seeds(config):
    kinds = searched_kinds(resolve(config))
    cells = [(method, defence) for _, _, method, defence, search in kinds if search == "relearning"]
    assert cells == sorted(set(cells)) and ("reference", "none") in cells
    assert {("rmu", "none"), ("rmu", "rna"), ("npo-kl", "rna")} <= set(cells)
    # Not attacked at all.
    assert ("rsv", "none") not in cells
    config["study"]["cells"] = [
        {"methods": ["rmu"], "defences": ["none"], "attacks": ["none", "relearn", "relearn-benign", "relearn-once"]}
    ]
    place = ("smollm2-135m-instruct", "elements")
    assert searched_kinds(resolve(config)) == [
        (*place, "reference", "none", "relearning"), (*place, "rmu", "none", "relearning")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("attacks.relearn.search", "other", ["attacks.relearn.search:", "'other'", "relearning"]),
        ("attacks.prefill.search", "relearning", ["attacks.prefill.search:", "takes no relearning steps"]),
        ("searches.relearning.attack", "gcg", ["searches.relearning.attack:", "'gcg'", "relearn"]),
        ("searches.relearning.steps", [30, 10], ["searches.relearning.steps:", "write [10, 30]"]),
        ("searches.relearning.grid", [{"rate": [0.1]}], ["searches.relearning.grid.rate:", "unknown parameter"]),
        ("searches.relearning.grid", [{"batch_size": [0]}], ["searches.relearning.grid.batch_size:"]),
        ("searches.relearning.grid", [{"steps": [5]}], ["searches.relearning.grid:", "give searches.relearning.steps"]),
        ("analysis.early_steps", 15, ["analysis.early_steps: 15", "searches.relearning.steps", "at most 5"]),
        ("benchmarks.elements.retain.splits", {"test": 2}, ["benchmarks.elements.retain.splits:", "'select'"]),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_in_one_line(config, path, value, words):
    part = config
    *outer, last = path.split(".")
    for name in outer:
        part = part[name]
    part[last] = value
    with pytest.raises(ConfigError) as refused:
        resolve(config)
    assert all(word in str(refused.value) for word in words) and "\n" not in str(refused.value)
