"""Defences that would find nothing to act on, and those that find something."""

import copy

import pytest
from refusals import message_of

from unlearning_robustness.config import resolve

NO_RETAIN, NLL = {"retain_weight": 0.0}, {"forget_loss": "gradient-ascent", "retain_loss": "nll", "parameters": {}}
FEEDBACK = {"kind": "stableun", "parameters": {"inner_radius": 1.0}}
SHARED = [
    ("rna", NLL, {"kind": "rna", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference", "take kl"]),
    ("shift", NLL, {"kind": "constant-shift", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference"]),
    ("noise", NLL, {"kind": "gradient-noise", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference"]),
    ("rna", NO_RETAIN, {"kind": "rna", "parameters": {"noise_scale": 1.0}}, ["retain_weight is 0", "give a weight"]),
    ("drop", NO_RETAIN, {"kind": "dropout", "parameters": {"rate": 0.1}}, ["retain_weight is 0"]),
    ("feedback", NO_RETAIN, FEEDBACK, ["retain_weight 0", "projection: none"]),
    ("average", {}, {"kind": "weight-averaging", "parameters": {"start": 38, "every": 5}}, ["40 steps", "earlier"]),
]
FITTING = [
    ("drop", NLL, {"kind": "dropout", "parameters": {"rate": 0.1}}),
    ("latent", NLL, {"kind": "latent-noise", "parameters": {"noise_scale": 1.0}}),
    ("feedback", NLL, FEEDBACK),
    ("lat", NO_RETAIN, {"kind": "latent-adversarial", "parameters": {"radius": 0.1}}),
    ("sam", NO_RETAIN, {"kind": "sam", "parameters": {"radius": 1.0}}),
    ("feedback", NO_RETAIN, {"kind": "stableun", "parameters": {"inner_radius": 1.0, "projection": "none"}}),
    ("average", {}, {"kind": "weight-averaging", "parameters": {"start": 35, "every": 5}}),
]


def shared(config, name, method, entry):
    """The configuration with a cell of a changed NPO+KL and one defence."""
    config["methods"]["npo-kl"] |= method
    config["defences"][name] = {"label": name, **entry}
    config["tuning"] = {**config["tuning"], "noise": {**config["tuning"]["noise"], "methods": ["rmu"]}}
    config["study"]["cells"] = [{"methods": ["rmu", "npo-kl"], "defences": ["none", name], "attacks": ["none"]}]
    return config


@pytest.mark.parametrize(("name", "method", "entry", "parts"), SHARED)
def test_a_defence_that_finds_nothing_to_act_on_is_refused(config, name, method, entry, parts):
    message = message_of(shared(config, name, method, entry))
    assert message.startswith(f"study.cells.0.defences: {name!r}") and "'npo-kl'" in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("name", "method", "entry"), FITTING)
def test_one_that_finds_something_is_not(config, name, method, entry):
    resolve(shared(config, name, method, entry))


def test_a_part_of_a_row_a_match_and_a_method_s_own_values_count_too(config):
    sam = {"kind": "sam", "parameters": {"radius": 1.0}}
    one = shared(copy.deepcopy(config), "sam", NLL, sam)
    one["study"]["cells"][0]["defences"] = ["sam.rna"]
    assert "'rna' does nothing on 'npo-kl'" in message_of(one)
    one["study"]["cells"][0]["defences"] = ["early-stop"]
    assert "'rna' does nothing on 'npo-kl'" in message_of(one)
    own = {**FEEDBACK, "per_method": {"npo-kl": {"projection": "none"}}}
    resolve(shared(config, "feedback", NO_RETAIN, own))


def test_noise_is_not_searched_for_where_it_does_nothing(config):
    config["tuning"]["noise"]["methods"] = ["npo-kl"]
    config["methods"]["npo-kl"] |= NLL
    assert "tuning.noise.methods: 'rna' does nothing on 'npo-kl'" in message_of(config)
