import pytest
from refusals import changed, message_of, replaced

from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.config.checkpoints import checkpoint_of, study_methods, treated_cells
from unlearning_robustness.config.layers import named_layers

MODEL = "smollm2-135m-instruct"
GRID = "{methods: [audited], defences: [none], attacks: [none, relearn]}"


@pytest.fixture
def audit(config, tmp_path):
    """The default study with a model that was unlearned elsewhere."""
    config["models"]["unlearned"] = {"path": "folder", "license": "none", "note": "none"}
    config["methods"]["audited"] = {"label": "audited", "checkpoint": "unlearned"}
    return changed(config, "study/cells/1", GRID, tmp_path)


def test_a_checkpoint_has_no_settings_of_a_training(audit):
    resolved = resolve(audit)
    assert resolved["methods"]["audited"] == {"label": "audited", "checkpoint": "unlearned"}
    assert "audited" not in study_methods(resolved) and "rmu" in study_methods(resolved)
    assert not [key for key, _ in named_layers(resolved) if "audited" in key]


def test_each_model_may_have_a_checkpoint_of_its_own(audit):
    audit["methods"]["audited"]["checkpoint"] = {MODEL: "unlearned"}
    method = resolve(audit)["methods"]["audited"]
    assert (checkpoint_of(method, MODEL), checkpoint_of(method, "another")) == ("unlearned", None)
    assert checkpoint_of({"checkpoint": "unlearned"}, "another") == "unlearned"


def test_a_method_that_is_run_on_a_checkpoint_is_trained_there_under_each_seed(audit):
    assert treated_cells(resolve(audit)) == []
    audit["study"] |= {"seeds": [0, 1], "cells": [audit["study"]["cells"][1]]}
    audit["methods"]["audited"]["after"] = {"method": "dpo-kl", "defence": "rescaled"}
    audit["defences"]["rescaled"] = {"label": "rescaled", "kind": "rescaled", "parameters": {"match": "rna"}}
    resolved = resolve(audit)
    # What is rescaled is trained before.
    assert treated_cells(resolved) == [
        Cell("unlearned", "elements", "dpo-kl", defence, seed) for defence in ("rescaled", "rna") for seed in (0, 1)
    ]
    assert study_methods(resolved) == ["dpo-kl"]


@pytest.mark.parametrize(
    ("place", "text", "line"),
    [
        ("methods/audited/after", "{method: rmx}", "methods.audited.after.method: 'rmx' is no method that is trained"),
        ("methods/audited/after", "{method: audited}", "methods.audited.after.method: 'audited' is no method that is"),
        ("methods/audited/after", "{method: rmu, defence: gone}",
         "methods.audited.after.defence: 'gone' is not defined under defences; name one, or none"),
        ("methods/audited/after", "{method: rmu, defence: early-stop}",
         "methods.audited.after.defence: 'early-stop' stops where facts of select are forgotten, which a checkpoint"),
        ("methods/audited/after", "{method: rmu, defence: rna.rna-weak}",
         "methods.audited.after.defence: 'rna.rna-weak' cannot be combined: 'rna' and 'rna-weak' both replace the"),
        ("methods/rmu/after", "{method: rsv}", "methods.rmu.after: goes with checkpoint; a method that is trained has"),
        ("methods/audited", "{label: a, checkpoint: unlearned, whole: true, after: {method: rmu}}",
         "methods.audited.whole: a checkpoint of other shapes is taken as it is; leave `after` out"),
        ("methods/audited/checkpoint", "3", "methods.audited.checkpoint: must be an id, or a mapping of ids, not 3"),
        ("methods/audited/checkpoint", "gpt", "methods.audited.checkpoint: 'gpt' is not defined under models; there"),
        ("methods/audited/checkpoint", f"{{gpt: {MODEL}}}", "methods.audited.checkpoint: 'gpt' is not defined under"),
        ("methods/audited/checkpoint", "{unlearned: unlearned}",
         f"methods.audited.checkpoint: nothing is given for '{MODEL}' of study.models; add it"),
        ("methods/audited/checkpoint", MODEL,
         f"methods.audited.checkpoint: '{MODEL}' is the model before unlearning itself; name the one after it"),
        ("methods/audited/steps", "60", "methods.audited.steps: does not go with label, checkpoint, whole,"),
        ("methods/rmu/whole", "true", "methods.rmu.whole: goes with checkpoint; a method that is trained has"),
        ("methods/audited", "{label: audited}", "methods.audited: the key 'forget_loss' is missing"),
        ("study/cells/1/defences", "[none, rna]",
         "study.cells.1.defences: 'audited' is a checkpoint and not trained here, so it has no defence; leave it out"),
        ("study/cells/1/trajectory", "true",
         "study.cells.1.trajectory: 'audited' is a checkpoint and not trained here, so it has no trajectory; leave it"),
        ("tuning/noise/methods", "[rmu, audited]",
         "tuning.noise.methods: 'audited' is a checkpoint and not trained here, so it has no settings; leave it out"),
    ],
)  # fmt: skip
def test_what_a_checkpoint_cannot_be_is_refused_in_one_line(audit, tmp_path, place, text, line):
    assert message_of(changed(audit, place, text, tmp_path)).startswith(line)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            "{path: a, base: gpt, license: none, note: none}",
            "models.adapter.base: 'gpt' is not defined under models; there",
        ),
        (
            "{path: a, base: adapter, license: none, note: none}",
            "models.adapter.base: goes with hub or path, and names a",
        ),
    ],
)
def test_an_adapter_names_a_whole_model(config, tmp_path, entry, line):
    assert message_of(changed(config, "models/adapter", entry, tmp_path)).startswith(line)
    good = changed(
        config, "models/adapter", "{path: a, base: smollm2-135m-instruct, license: none, note: none}", tmp_path
    )
    assert resolve(good)["models"]["adapter"]["base"] == "smollm2-135m-instruct"


def test_no_attack_compares_a_checkpoint_of_other_shapes_with_the_reference(audit):
    audit["methods"]["audited"]["whole"] = True
    assert resolve(audit)["methods"]["audited"]["whole"]
    for attack in ("orthogonalise", "gcg-enhanced"):
        audit["study"]["cells"][1]["attacks"] = ["none", "relearn", attack]
        assert message_of(audit) == (
            f"study.cells.1.attacks: {attack!r} compares with the reference, and 'audited' has other shapes "
            "(whole: true); give it a grid without"
        )


def test_a_checkpoint_that_the_study_does_not_ask_needs_nothing_for_its_models(audit):
    unasked = replaced(audit, "study/cells/1/methods", ["rmu"])
    assert resolve(replaced(unasked, "methods/audited/checkpoint", {"unlearned": "unlearned"}))
