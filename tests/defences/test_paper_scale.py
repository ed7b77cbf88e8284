"""Lengths of studies/stableun-paper.yaml act: on a tiny model with that study's relations of lengths to weights.

A model 4,096 wide has weights of standard deviation 0.02 and adapters of 1 / sqrt(3 x 4,096); one 32 wide that computes
alike has the square root of 128 times as much of either, and learning rates as much larger.
"""

import pytest
import torch

from studies import load_study
from unlearning_robustness.config import defence_row, resolve
from unlearning_robustness.config.effects import SAME
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.training import unlearning
from unlearning_robustness.training.unlearning import cosines

WIDER = (4096 / 32) ** 0.5
OF_METHOD = ("retain_loss", "retain_weight", "parameters", "trained", "lora")
# A step's length at 1e-4 of the study's adapters: rank 8 on queries and values of 32 layers.
STEP = 1e-4 * (32 * 8 * (2 * 4096 + 4096 + 1024)) ** 0.5
ON_ADAPTERS = ["sam", "randomised-smoothing", "stableun-sap", "stableun-gpn", "stableun-gap", "stableun"]
# What the study had: Unlearn-Smooth's numbers as they are, on 3.4 million trained weights. Noise is left out: of it the
# same length turns more in a tiny model, of whose directions more matter.
BEFORE = {
    "sam": {"radius": 0.01 / STEP},
    "stableun-sap": {"inner_radius": 0.005 / STEP, "sap_radius": 0.01 / STEP},
}


@pytest.fixture(scope="module")
def study():
    return resolve(load_study("stableun-paper"))


@pytest.fixture
def trained(make_model, make_caches, settings, study):
    """Trains two steps of a method of the study on a tiny model with a row; returns the history."""

    def train(method, row, layers, dtype):
        model = make_model(dtype=dtype, initializer_range=0.02 * WIDER)
        theirs = study["methods"][method]
        entry = settings("npo") | {key: theirs[key] for key in OF_METHOD if key in theirs}
        entry |= {"steps": 2, "learning_rate": theirs["learning_rate"] * WIDER}
        entry |= {"layers": layers, "read_layer": max(layers)}
        caches = make_caches(model, first=min(layers), read=max(layers))
        return unlearning.make_trainer(model, entry, row, caches, 1).run()

    return train


@pytest.mark.parametrize("defence_id", ON_ADAPTERS)
def test_every_neighbour_of_the_adapters_turns_the_gradient(study, trained, defence_id):
    """In float32: in bfloat16 rounding alone makes cosines of 0.998."""
    (part,), all_layers = defence_row(study, defence_id, "npo-kl"), [0, 1, 2, 3]
    turned = cosines(trained("npo-kl", [part], all_layers, torch.float32))
    assert turned.pop("acts") and all(cosine < 0.99 for cosine in turned.values()), turned
    if former := BEFORE.get(defence_id):
        former = {**part, "parameters": part["parameters"] | former}
        idle = cosines(trained("npo-kl", [former], all_layers, torch.float32))
        assert not idle.pop("acts") and all(cosine > SAME for cosine in idle.values()), idle


def test_bfloat16_weights_hold_the_inner_step_of_hws_and_none_in_steps(study, trained):
    (part,) = defence_row(study, "stableun-hws", "npo-kl-projections")
    assert part["parameters"]["unit"] == "norm"
    trained("npo-kl-projections", [part], [1, 2], torch.bfloat16)
    for unit, length in (("step", 1.0), ("step", 4.0), ("norm", 0.001)):
        shorter = {**part, "parameters": part["parameters"] | {"unit": unit, "inner_radius": length}}
        with pytest.raises(TrainingError, match="after rounding to the model's number type"):
            trained("npo-kl-projections", [shorter], [1, 2], torch.bfloat16)
