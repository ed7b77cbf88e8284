"""Layers: what a span cannot be, and what no model of the study has, is refused by key before any job."""

import json

import pytest
from refusals import message_of

from studies import ROOT, load_study
from unlearning_robustness.config import ConfigError, resolve
from unlearning_robustness.config.layers import declared_depths
from unlearning_robustness.workflow.study import Study

MODEL = "smollm2-135m-instruct"


@pytest.mark.parametrize("name", ["rmu", "rsv", "npo-kl", "dpo-mse"])
@pytest.mark.parametrize(("layers", "read", "first"), [([5, 6, 7], 3, 5), ([5, 6, 7], 4, 5), ([9], 7, 9)])
def test_a_method_that_reads_below_its_first_trained_layer_is_refused(config, name, layers, read, first):
    config["methods"][name] |= {"layers": layers, "read_layer": read}
    assert message_of(config) == (
        f"methods.{name}.read_layer: {read} lies below the first trained layer {first}, where a pass begins; "
        f"give {first} or above, or train lower layers"
    )


def test_losses_on_likelihoods_also_train_above_the_layer_that_has_the_noise(config):
    config["methods"]["npo-kl"] |= {"layers": [5, 6, 7], "read_layer": 5}
    resolve(config)
    config["methods"]["rmu"] |= {"layers": [5, 6, 7], "read_layer": 5}
    assert message_of(config).startswith("methods.rmu.layers: layer 7 is above the read layer 5")


def attacked(config, attack, **parameters):
    config["attacks"][attack]["parameters"] |= parameters
    config["study"]["cells"].append({"methods": ["reference"], "defences": ["none"], "attacks": [attack]})


OUTSIDE = {
    "methods.rmu.layers": lambda config: config["methods"]["rmu"].update(layers=[99], read_layer=99),
    "methods.npo-kl.read_layer": lambda config: config["methods"]["npo-kl"].update(read_layer=99),
    "attacks.orthogonalise.parameters.layers": lambda config: attacked(config, "orthogonalise", layers=[3, 99]),
    "attacks.logit-lens.parameters.layers": lambda config: attacked(config, "logit-lens", layers=[99]),
    "attacks.gcg-enhanced.parameters.layer": lambda config: attacked(config, "gcg-enhanced", layer=99),
}


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_layer_that_a_model_of_declared_shape_has_not_is_refused(config, key):
    OUTSIDE[key](config)
    assert message_of(config) == f"{key}: {MODEL} has 30 layers, counted from 0, so no layer 99; lower it"


def test_the_last_layer_is_one_and_what_no_cell_uses_may_name_any(config):
    config["methods"]["rmu"] |= {"layers": [29], "read_layer": 29}
    config["methods"]["dpo-kl"] |= {"layers": [99], "read_layer": 99}
    config["attacks"]["orthogonalise"]["parameters"]["layers"] = [99]
    resolve(config)


def test_a_model_made_from_another_has_the_depth_of_that_one():
    assert declared_depths(resolve(load_study("tofu"))) == {"tofu-full": 28}


@pytest.mark.parametrize("key", ["num_hidden_layers", "n_layer"])
@pytest.mark.parametrize("place", ["resources/models/mine", "elsewhere"])
def test_a_model_whose_folder_is_here_need_not_be_declared(tmp_path, monkeypatch, place, key):
    monkeypatch.chdir(tmp_path)
    stated = {"models": {"mine": {"path": "elsewhere", "license": "x", "note": "x"}}, "study": {"models": ["mine"]}}
    Study(stated, ROOT)
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "config.json").write_text(json.dumps({key: 6}))
    with pytest.raises(ConfigError, match=r"^methods\.rmu\.layers: mine has 6 layers, counted from 0, so no layer 6"):
        Study(stated, ROOT)


@pytest.mark.parametrize(
    ("depth", "layers", "read"),
    [(32, [5, 6, 7], 7), (30, [5, 6, 7], 7), (24, [3, 4, 5], 5), (16, [2, 3, 4], 4), (12, [1, 2, 3], 3),
     (64, [12, 13, 14], 14), (4, [0, 1], 1), (2, [0], 0), (1, [0], 0)],
)  # fmt: skip
def test_the_papers_layers_are_where_they_lie_in_a_model_of_another_depth(config, depth, layers, read):
    config["methods"]["rmu"] |= {"layers": [5, 6, 7], "read_layer": 7, "layers_of": 32}
    del config["models"][MODEL]["shape"]
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]}]
    entry = resolve(config, lambda resolved: {MODEL: depth})["methods"]["rmu"]
    assert (entry["layers"], entry["read_layer"]) == (layers, read) and "layers_of" not in entry


def test_layers_cannot_be_moved_in_models_of_unknown_or_different_depth(config):
    config["methods"]["rmu"]["layers_of"] = 32
    resolve(config)
    with pytest.raises(ConfigError) as raised:
        resolve(config, lambda resolved: {})
    assert str(raised.value) == (
        f"methods.rmu.layers_of: how many layers {MODEL} has is not known before it is fetched; give "
        f"models.{MODEL}.shape"
    )
    config["models"]["deeper"] = config["models"][MODEL]
    config["study"]["models"] = [MODEL, "deeper"]
    with pytest.raises(ConfigError) as raised:
        resolve(config, lambda resolved: {MODEL: 30, "deeper": 32})
    assert str(raised.value) == (
        f"methods.rmu.layers_of: the study's models differ in their number of layers ({MODEL} 30, deeper 32); leave it "
        "out"
    )
