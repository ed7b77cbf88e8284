"""Controls that provably change nothing are refused, and those of every study have an effect at its numbers."""

import pytest
import torch
from refusals import message_of

from studies import load_study
from unlearning_robustness.config import defence_row, resolve
from unlearning_robustness.config.effects import HALF_STEP, checkpoints, half_step, least_noise, shrinkage, whole_steps
from unlearning_robustness.engine.schedule import share_of_rate


def alone(config, kind, parameters, **changes):
    """The default study with one cell: ``kind`` on a changed RMU."""
    config["methods"]["rmu"] |= changes
    config["defences"]["other"] = {"label": "other", "kind": kind, "parameters": parameters}
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none", "other"], "attacks": ["none"]}]
    config.pop("tuning")
    return config


@pytest.mark.parametrize(("name", "dtype"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_no_weight_moves_by_less_than_half_a_step_and_every_weight_by_twice_as_much(name, dtype):
    weights = torch.linspace(1.0, 2.0, 4097, dtype=torch.float64)[:-1].to(dtype).double()
    smaller = (weights * (1 - 0.99 * HALF_STEP[name])).to(dtype).double()
    # Below a power of two a step is half as long.
    assert torch.equal(smaller[weights > 1], weights[weights > 1])
    assert ((weights * (1 - 2.01 * HALF_STEP[name])).to(dtype).double() < weights).all()


def test_decay_shrinks_as_adamw_does():
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimiser = torch.optim.AdamW([weight], lr=5e-3, weight_decay=0.1)
    for _ in range(40):
        weight.grad = torch.zeros_like(weight)
        optimiser.step()
    assert shrinkage(5e-3, 0.1, 40) == pytest.approx(1 - weight.item())


def test_rounding_changes_the_norm_of_less_noise_than_is_kept():
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(200_000, generator=random).bfloat16().float()

    def realised(deviation):
        noise = deviation * torch.randn(weights.shape, generator=random)
        return (((weights + noise).bfloat16().float() - weights).norm() / noise.norm()).item()

    least = least_noise(HALF_STEP["bfloat16"])
    assert realised(least) < 1.06 and realised(4 * least) == pytest.approx(1, abs=0.02) and realised(least / 4) < 0.9


def test_a_rate_that_rises_and_falls_decays_by_its_mean():
    method = {"steps": 125, "warm_up": 12, "decay": "linear"}
    shares = [share_of_rate(step, 125, 12, "linear") for step in range(125)]
    assert whole_steps(method) == pytest.approx(sum(shares), rel=0.01)
    assert whole_steps(method | {"warm_up": 0, "decay": "none"}) == 125


def test_a_run_is_scored_every_so_often_and_at_its_end():
    assert [checkpoints(50, 25), checkpoints(50, 24), checkpoints(3, 6), checkpoints(60, 6)] == [2, 3, 1, 10]


FEEDBACK = {"inner_radius": 0.01, "unit": "norm"}
# The first is what the RNA paper's study had on RMU, the fourth what it had on SimNPO.
INERT = [
    ("weight-decay", {"weight_decay": 0.01}, {"steps": 500, "learning_rate": 5e-5}, ["0.025 %", "0.2 %", "give 0.078"]),
    ("weight-decay", {"weight_decay": 0.1}, {"precision": "pure"}, ["in 1 step(s)", "give 0.98"]),
    ("weight-decay", {"weight_decay": 0.0}, {}, ["by 0 %"]),
    ("early-stop", {"match": "none", "every": 25}, {"steps": 50}, ["among 2 checkpoint(s)", "at most 24"]),
    ("early-stop", {"match": "none", "every": 6}, {"steps": 3}, ["among 1 checkpoint(s)", "at most 1"]),
]
INERT += [
    ("randomised-smoothing", {"scale": 0.003, "unit": "norm"}, {}, ["swallows noise of 0.003", "0.0039 at least"]),
    ("stableun", FEEDBACK | {"gpn_radius": 0.003}, {}, ["swallows noise of 0.003 norms", "0.0039 at least"]),
]
LORA = {"trained": "lora", "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]}}
ACTING = [
    ("weight-decay", {"weight_decay": 0.079}, {"steps": 500, "learning_rate": 5e-5}),
    ("weight-decay", {"weight_decay": 1.0}, {"precision": "pure"}),
    ("weight-decay", {"weight_decay": 0.01}, LORA),
    ("early-stop", {"match": "none", "every": 24}, {"steps": 50}),
    ("randomised-smoothing", {"scale": 0.004, "unit": "norm"}, {}),
    ("randomised-smoothing", {"scale": 0.003, "unit": "norm"}, LORA),
    ("randomised-smoothing", {"scale": 0.003, "unit": "norm", "implementation": "released"}, {}),
    ("stableun", FEEDBACK | {"gpn_radius": 0.004}, {}),
    ("stableun", FEEDBACK, {}),
]


@pytest.mark.parametrize(("kind", "parameters", "changes", "parts"), INERT)
def test_a_control_that_cannot_act_is_refused_with_what_would(config, kind, parameters, changes, parts):
    message = message_of(alone(config, kind, parameters, **changes))
    assert message.startswith(f"study.cells.0.defences: 'other' ({kind}) has no effect on 'rmu'")
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("kind", "parameters", "changes"), ACTING)
def test_one_that_can_is_not(config, kind, parameters, changes):
    resolve(alone(config, kind, parameters, **changes))


SEARCHED = [
    (
        "weight-decay",
        {"weight_decay": 1.0},
        {"weight_decay": [0.01, 1.0]},
        "grids.other: 'other' (weight-decay) has no",
    ),
    ("stableun", FEEDBACK, {"gpn_radius": [0.004, 0.003]}, "swallows noise of 0.003 norms"),
    (
        "stableun",
        {"inner_radius": 1.0},
        {"inner_radius": [1.0, 3.0], "sap_radius": [2.0, 4.0]},
        "grids.other.sap_radius:",
    ),
    (
        "early-stop",
        {"match": "none", "every": 6},
        {"every": [6]},
        "'other' is matched to a cell, which a search has not",
    ),
]


@pytest.mark.parametrize(("kind", "parameters", "grid", "said"), SEARCHED)
def test_a_value_that_a_search_tries_must_act_too(config, kind, parameters, grid, said):
    config["defences"]["other"] = {"label": "other", "kind": kind, "parameters": parameters}
    config["tuning"]["defences"] = {"attack": "relearn", "methods": ["rmu"], "grids": {"other": grid}}
    message = message_of(config)
    assert message.startswith("tuning.defences.grids") and said in message
    if kind == "weight-decay":
        grid["weight_decay"].remove(0.01)
        resolve(config)


def test_a_search_tries_a_methods_own_values(config):
    own = {"rmu": {"scale": 0.004}}
    entry = {"label": "x", "kind": "randomised-smoothing", "parameters": {"scale": 0.003, "unit": "norm"}}
    config["defences"]["other"] = entry | {"per_method": own}
    config["tuning"]["defences"] = {"attack": "relearn", "methods": ["rmu"], "grids": {"other": {"draws": [1, 2]}}}
    resolve(config)


def test_a_model_in_float32_holds_what_bfloat16_rounds_away(config):
    config["models"]["smollm2-135m-instruct"]["dtype"] = "float32"
    resolve(alone(config, "weight-decay", {"weight_decay": 0.01}, steps=500, learning_rate=5e-5))


def controls(config, kind):
    """(method entry, parameters) of every cell of a resolved study with a control of ``kind``."""
    for grid in config["study"]["cells"]:
        for method in (name for name in grid["methods"] if name != "reference"):
            for defence in grid["defences"]:
                for part in defence_row(config, defence, method):
                    if part["kind"] == kind:
                        yield config["methods"][method], part["parameters"]


@pytest.mark.parametrize("name", ["rna", "rna-controls", "rna-paper", "full", "matrix"])
def test_the_controls_of_a_study_have_an_effect_at_its_numbers(name):
    config, counted = resolve(load_study(name)), 0
    for method, parameters in controls(config, "weight-decay"):
        shrunk = shrinkage(method["learning_rate"], parameters["weight_decay"], whole_steps(method))
        # Four half steps and more move every weight of a bfloat16 model.
        assert 4 * half_step(config, method) < shrunk < 0.03, (method["label"], shrunk)
        counted += 1
    for method, parameters in controls(config, "early-stop"):
        assert checkpoints(method["steps"], parameters["every"]) >= 7, method["label"]
        counted += 1
    for _, parameters in controls(config, "sgd"):
        # An absolute rate is one that was tuned on this model.
        assert parameters["unit"] == "step" or name == "rna-controls"
        counted += 1
    assert counted
