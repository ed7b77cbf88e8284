"""Ways of training that cannot be, and those that can."""

import copy

import pytest
from refusals import changed, message_of

from unlearning_robustness.config import resolve

LORA = {"trained": "lora", "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]}}
SHARDED = {"parallel": {"processes": 2, "sharded": True}}
PENALTY = {"kind": "gradient-penalty", "parameters": {"weight": 0.1}}
REFUSED = [
    ({"parallel": {"processes": 5}}, ["methods.rmu.parallel.processes:", "5 are more than the batch_size 4"]),
    ({"parallel": {"processes": 0}}, ["methods.rmu.parallel.processes:"]),
    ({"parallel": {"sharded": True}}, ["methods.rmu.parallel.sharded:", "give processes"]),
    ({"parallel": {"gpus": 2}}, ["methods.rmu.parallel:", "unknown key 'gpus'", "processes, sharded"]),
    ({**SHARDED, **LORA}, ["methods.rmu.parallel.sharded:", "adapters"]),
    ({**SHARDED, "precision": "pure"}, ["methods.rmu.precision:", "parallel.sharded", "give master"]),
    ({**LORA, "precision": "stochastic"}, ["methods.rmu.precision:", "trained: lora", "give master"]),
    ({"precision": "bf16"}, ["methods.rmu.precision:", "'master', 'stochastic', 'pure'"]),
    ({"gradient_checkpointing": 1}, ["methods.rmu.gradient_checkpointing:", "boolean"]),
]
NOT_TOGETHER = [
    (SHARDED, {"kind": "sam", "parameters": {"radius": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "weight-averaging", "parameters": {"start": 2, "every": 1}}, "needs whole tensors"),
    (SHARDED, {"kind": "stableun", "parameters": {"inner_radius": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "gradient-noise", "parameters": {"noise_scale": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "early-stop", "parameters": {"match": "none", "every": 2}}, "needs whole tensors"),
    ({"gradient_checkpointing": True}, PENALTY, "differentiates gradients"),
    (
        {"gradient_checkpointing": True},
        {"kind": "curvature", "parameters": {"weight": 0.1, "radius": 1.0}},
        "differentiates gradients",
    ),
]
TOGETHER = [
    (SHARDED, {"kind": "dropout", "parameters": {"rate": 0.1}}),
    ({**SHARDED, "trained": "full"}, {"kind": "sgd", "parameters": {"learning_rate": 1.0}}),
    ({"gradient_checkpointing": True}, {**PENALTY, "parameters": {"weight": 0.1, "implementation": "released"}}),
    ({"precision": "pure"}, {"kind": "sam", "parameters": {"radius": 1.0, "implementation": "released"}}),
    ({"precision": "stochastic", "parallel": {"processes": 4}}, {"kind": "sam", "parameters": {"radius": 1.0}}),
]  # fmt: skip


def with_defence(config, method, defence):
    config["methods"]["rmu"] |= copy.deepcopy(method)
    config["defences"]["other"] = {"label": "other", **defence}
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none", "other"], "attacks": ["none"]}]
    del config["tuning"]
    return config


@pytest.mark.parametrize(("change", "parts"), REFUSED)
def test_a_way_of_training_that_cannot_be_is_refused(config, change, parts):
    config["methods"]["rmu"] |= change
    message = message_of(config)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("method", "defence", "part"), NOT_TOGETHER)
def test_a_defence_that_it_does_not_allow_is_refused(config, method, defence, part):
    message = message_of(with_defence(config, method, defence))
    assert message.startswith("study.cells.0.defences: 'other'") and part in message and "'rmu'" in message


@pytest.mark.parametrize(("method", "defence"), TOGETHER)
def test_one_that_it_allows_is_not(config, method, defence):
    resolved = resolve(with_defence(config, method, defence))["methods"]["rmu"]
    assert {key: resolved[key] for key in method if key != "parallel"} == {
        key: value for key, value in method.items() if key != "parallel"
    }
    assert resolved["parallel"] == {"processes": 1, "sharded": False} | method.get("parallel", {})


def test_a_search_is_a_single_process(config):
    config["methods"]["rmu"] |= SHARDED
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]}]
    assert "single process, and 'rmu' is sharded" in message_of(config)


def test_by_default_masters_are_trained_by_one_process(config, tmp_path):
    entry = resolve(changed(config, "methods/rmu/steps", "3", tmp_path))["methods"]["rmu"]
    assert (entry["precision"], entry["gradient_checkpointing"]) == ("master", False)
