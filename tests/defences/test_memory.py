"""A defence may keep at most two copies of the trained tensors more than plain training does."""

import gc

import pytest
import torch

ROWS = {
    "rna": {"noise_scale": 1.0},
    "gradient-noise": {"noise_scale": 1.0},
    "sam": {"radius": 0.5},
    "randomised-smoothing": {"scale": 0.05, "draws": 3},
    "gradient-penalty": {"weight": 0.1},
    "curvature": {"weight": 0.1, "radius": 0.5},
    "weight-averaging": {"start": 1, "every": 1},
    "stableun": {"inner_radius": 0.2, "sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 0.1, "hws_decay": 0.9},
}


def alive(shape):
    """How many tensors of a shape there are, views of one storage counted once."""
    found = [entry for entry in gc.get_objects() if type(entry) is torch.Tensor and entry.shape == shape]
    return len({tensor.data_ptr() for tensor in found})


def most_copies(trainer):
    """The most sets of trained tensors that training adds, looked at after every gradient and when weights move."""
    weights, optimiser, seen = trainer.engine.weights, trainer.optimiser, []
    (shape,) = {tensor.shape for tensor in weights.master.values()}
    gc.collect()
    # What there was before is not looked through after every gradient.
    gc.freeze()

    def watched(function):
        def call(*arguments):
            result = function(*arguments)
            seen.append(alive(shape) / len(weights.master))
            return result

        return call

    weights.gradient, optimiser.step = watched(weights.gradient), watched(optimiser.step)
    try:
        trainer.run()
    finally:
        gc.unfreeze()
    return max(seen)


@pytest.mark.parametrize("kind", list(ROWS))
def test_at_most_two_copies_more_than_plain_training(make_trainer, settings, defence, kind):
    plain = most_copies(make_trainer(settings("npo", steps=2), []))
    defended = most_copies(make_trainer(settings("npo", steps=2), defence(kind, **ROWS[kind])))
    assert plain >= 4
    assert defended - plain <= 2
