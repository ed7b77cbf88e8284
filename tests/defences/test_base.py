import pytest
import torch

from unlearning_robustness.defences import DEFENCES
from unlearning_robustness.defences.base import Step, add, plain_forget
from unlearning_robustness.defences.row import build_step

CHOSEN = torch.tensor([1, 2, 4])


def test_two_defences_that_replace_one_part_are_refused(defence):
    for kind, part in (("rna", "reference_noise"), ("gradient-noise", "after_retain")):
        with pytest.raises(ValueError, match=f"two defences replace the {part} of a step"):
            build_step(defence(kind, noise_scale=1.0) * 2)


def test_defences_of_different_parts_compose(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    rows = [defence("rna", noise_scale=1.0), defence("gradient-noise", noise_scale=1.0)]
    loss_rna, rna = build_step(rows[0]).retain_gradient(engine, batch, torch.Generator().manual_seed(0))
    loss, both = build_step(rows[0] + rows[1]).retain_gradient(engine, batch, torch.Generator().manual_seed(0))
    assert loss == loss_rna and loss != engine.retain_gradient(batch)[0]
    assert all(not torch.equal(both[name], rna[name]) for name in rna)


def test_the_empty_row_is_plain(moved_engine, tiny_caches):
    step = build_step([])
    assert step == Step() and step.forget_gradient is plain_forget and step.reference_noise is None
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    (loss, gradient), (expected_loss, expected) = (
        step.retain_gradient(engine, batch, torch.Generator()), engine.retain_gradient(batch)
    )  # fmt: skip
    assert loss == expected_loss and all(torch.equal(gradient[name], expected[name]) for name in expected)


def test_both_gradients_are_added():
    one, other = {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([10.0, -2.0])}
    assert add(one, other)["a"].tolist() == [11.0, 0.0] and one["a"].tolist() == [1.0, 2.0]


def test_every_defence_replaces_the_parts_of_a_step_that_it_names(defence):
    parameters = {
        "early-stop": {"match": "rna", "every": 5},
        "dropout": {"rate": 0.1},
        "weight-decay": {"weight_decay": 0.1},
        "sgd": {"learning_rate": 0.1},
        "sam": {"radius": 0.1},
        "more-steps": {"factor": 2.0},
        "weight-noise": {"match": "none"},
        "rescaled": {"match": "none"},
        "weight-averaging": {"start": 1, "every": 1},
        "latent-adversarial": {"radius": 0.1},
        "randomised-smoothing": {"scale": 0.1},
        "gradient-penalty": {"weight": 0.1},
        "curvature": {"weight": 0.1, "radius": 0.1},
        "stableun": {"inner_radius": 0.1},
    }
    for kind, entry in DEFENCES.items():
        step = build_step(defence(kind, **parameters.get(kind, {"noise_scale": 1.0})))
        # What a kind says that it replaces is what it replaces; the schedule and the weights are not of a step.
        assert step.replaced == set(entry.Facts.replaces) - {"schedule", "weights"}, kind
