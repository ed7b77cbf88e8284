import pytest
import torch

from unlearning_robustness.methods.adaptive_rmu import AdaptiveRMU
from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.rmu import RMU


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_direction_is_as_long_as_the_mean_activation_of_the_first_batch():
    first = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    loss = AdaptiveRMU(scale=1.0)
    direction = loss.scaled(loss.direction(2, random()), first.norm(dim=-1).mean().item())
    assert direction.norm().item() == pytest.approx((5 + 1) / 2) and (direction >= 0).all()


def test_it_is_rmu_with_scale_times_that_length_as_coefficient():
    first, hidden = torch.randn(7, 16, generator=random(1)), torch.randn(2, 3, 16, generator=random(2))
    mask, ids = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.long)
    adaptive, fixed = AdaptiveRMU(scale=3.0), RMU(coefficient=3.0 * first.norm(dim=-1).mean().item())
    unit = fixed.direction(16, random(3))
    losses = [
        loss(LossInputs(ids, mask, hidden=hidden, direction=direction)).item()
        for loss, direction in ((adaptive, adaptive.scaled(unit, first.norm(dim=-1).mean().item())), (fixed, unit))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_run_takes_the_length_from_its_own_first_batch(make_trainer, settings, tiny_caches):
    lengths = {}
    for seed in (1, 2):
        trainer = make_trainer(settings("adaptive-rmu"), seed=seed)
        batch = tiny_caches["forget"].batch(trainer.order["forget"][0])
        counted = batch.mask.clone()
        counted[:, 0] = False
        lengths[seed] = trainer.engine.direction.norm().item()
        assert lengths[seed] == pytest.approx(batch.reference_hidden[counted].norm(dim=-1).mean().item(), rel=1e-6)
    assert lengths[1] != lengths[2]
