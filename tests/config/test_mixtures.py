"""Mixtures of experts are refused by key, before any job, where a study needs each layer to have one MLP."""

import json

import pytest
from refusals import message_of

from studies import ROOT
from unlearning_robustness.config import ConfigError, resolve
from unlearning_robustness.workflow.study import Study

MODEL = "smollm2-135m-instruct"
ADAPTERS = {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]}
WIDER = "give trained: full, or lora with targets in the attention"


@pytest.fixture
def mixture(config):
    """The reference alone, of a mixture that is not fetched."""
    config["models"][MODEL]["shape"]["num_experts"] = 8
    config["study"] |= {"cells": [{"methods": ["reference"], "defences": ["none"], "attacks": ["none"]}]}
    config["study"] |= {measure: [] for measure in ("latents", "sharpness", "landscape", "memorisation")}
    return config


def with_cells(config, method="reference", attack="none", **changes):
    config["study"]["cells"] = [{"methods": [method], "defences": ["none"], "attacks": sorted({"none", attack})}]
    config["methods"].get(method, {}).update(changes)
    return config


def attacked(config, **parameters):
    config["attacks"]["relearn"]["parameters"] |= parameters
    return with_cells(config, attack="relearn")


REFUSED = {
    "methods.rmu.trained": (lambda config: with_cells(config, "rmu"), WIDER),
    "methods.npo-kl.lora.targets": (
        lambda config: with_cells(
            config, "npo-kl", trained="lora", lora={**ADAPTERS, "targets": ["q_proj", "down_proj"]}
        ),
        "give those in the attention, or trained: full",
    ),
    "attacks.relearn": (attacked, "give trained: full, or lora with targets: attention"),
    "attacks.quantise": (lambda config: with_cells(config, attack="quantise"), "leave it out"),
    "attacks.prune": (lambda config: with_cells(config, attack="prune"), "leave it out"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_needs_one_mlp_a_layer_is_refused(mixture, key):
    change, mend = REFUSED[key]
    which = f"{key}: {MODEL} is a mixture of 8 experts, which have no one down-projection; "
    assert message_of(change(mixture)) == which + mend


ACCEPTED = {
    "the reference": lambda config: config,
    "every tensor": lambda config: with_cells(config, "npo-kl", trained="full"),
    "adapters of the attention": lambda config: with_cells(config, "npo-kl", trained="lora", lora=ADAPTERS),
    "relearning every tensor": lambda config: attacked(config, trained="full"),
    "relearning the attention": lambda config: attacked(config, trained="lora", targets="attention"),
    "the logit lens": lambda config: with_cells(config, attack="logit-lens"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_does_without_is_not(mixture, name):
    resolve(ACCEPTED[name](mixture))


@pytest.mark.parametrize("key", ["num_local_experts", "num_experts", "n_routed_experts"])
def test_a_mixture_whose_folder_is_here_need_not_be_declared(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    stated = {"models": {"mine": {"path": "here", "license": "x", "note": "x"}}, "study": {"models": ["mine"]}}
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "config.json").write_text(json.dumps({"num_hidden_layers": 30}))
    Study(stated, ROOT)
    (tmp_path / "here" / "config.json").write_text(json.dumps({"num_hidden_layers": 30, key: 4}))
    with pytest.raises(ConfigError, match=r"^methods\.rmu\.trained: mine is a mixture of 4 experts"):
        Study(stated, ROOT)
