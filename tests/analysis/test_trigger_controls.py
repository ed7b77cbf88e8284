import json

import pandas
import pytest

from unlearning_robustness.analysis.inputs import read_inputs
from unlearning_robustness.analysis.trigger_controls import CONTROL, failed, search_losses, trigger_controls


def control(attack, reached, locked=0.3, trigger=0.9):
    points = [{"steps": 2, "accuracy": 0.35, "setting": "plain"}, {"steps": 5, "accuracy": reached, "setting": "text"}]
    named = {"model": "tiny", "benchmark": "letters", "attack": attack, "text": "lamp", "attack_seconds": 1.0}
    return {**named, "locked": locked, "trigger": trigger, "points": points, "losses": [3.0, 1.0]}


@pytest.fixture
def inputs(tmp_path):
    for number, entry in enumerate(
        [control("gcg", 0.75), control("soft-prompt", 0.45), control("odd", 0.3, trigger=0.3)]
    ):
        (tmp_path / f"{number}.json").write_text(json.dumps(entry))
    unavailable = {"model": "phi", "benchmark": "letters", "attack": "gcg", "points": [], "losses": []}
    (tmp_path / "9.json").write_text(json.dumps({**unavailable, "unavailable": "fused"}))
    manifests = []
    for seed, losses in ((0, [4.0, 2.0]), (1, [6.0, 1.0])):
        path = tmp_path / "records/tiny/letters/rmu/none" / f"seed{seed}" / "gcg" / "manifest.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"losses": losses}))
        manifests.append(path)
    files = {"trigger_controls": sorted(tmp_path.glob("*.json")), "searched": manifests}
    return read_inputs(files, {"analysis": {"least_opened": 0.5}})


def test_an_attack_passes_that_brings_back_enough_of_what_the_lock_takes(inputs):
    every = trigger_controls(inputs)
    assert every.loc[every["model"] == "phi", ["setting", "passed"]].iloc[0].tolist()[0] == "fused"
    table = every[every["model"] == "tiny"].set_index("attack")
    assert table.loc["gcg", "share"] == pytest.approx(0.75) and table.loc["soft-prompt", "share"] == pytest.approx(0.25)
    assert table["passed"].to_dict() == {"gcg": True, "soft-prompt": False, "odd": False}
    assert table.loc["gcg", ["steps", "setting", "threshold"]].tolist() == [5, "text", 0.5]
    # A lock that takes nothing, or that its trigger does not open, controls nothing.
    assert pandas.isna(table.loc["odd", "share"])
    assert failed(inputs) == {("tiny", "letters", "soft-prompt"), ("tiny", "letters", "odd")}


def test_losses_are_means_over_seeds_beside_those_of_the_control(inputs):
    table = search_losses(inputs)
    own = table[table["method"] == "rmu"]
    assert own[["step", "loss", "least", "most", "seeds"]].to_numpy().tolist() == [[1, 5, 4, 6, 2], [2, 1.5, 1, 2, 2]]
    assert table[(table["method"] == CONTROL) & (table["attack"] == "gcg")]["loss"].tolist() == [3.0, 1.0]


def test_without_searches_the_tables_are_empty(inputs):
    nothing = read_inputs({"trigger_controls": [], "searched": []}, {"analysis": {}})
    assert trigger_controls(nothing).empty and search_losses(nothing).empty and failed(nothing) == set()
