import pytest
import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.rab import RAb


def inputs(hidden, reference, direction):
    mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
    return LossInputs(mask.long(), mask, hidden=hidden, reference_hidden=reference, direction=direction)


def test_with_coefficient_one_the_target_has_nothing_left_along_the_direction():
    random = torch.Generator().manual_seed(0)
    reference, loss = torch.randn(2, 3, 8, generator=random), RAb(coefficient=1.0)
    direction = loss.direction(8, random)
    projector = torch.eye(8) - torch.outer(direction, direction)
    target = reference @ projector
    assert direction.norm().item() == pytest.approx(1) and (target @ direction).abs().max() < 1e-6
    assert loss(inputs(target, reference, direction)).item() == pytest.approx(0, abs=1e-12)
    expected = (reference @ direction).square().sum() / reference.numel()
    assert loss(inputs(reference, reference, direction)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_coefficient_scales_what_is_taken_away():
    reference, direction = torch.tensor([[[2.0, 5.0]]]), torch.tensor([1.0, 0.0])
    target = torch.tensor([[[2.0 - 3 * 2.0, 5.0]]])
    assert RAb(coefficient=3.0)(inputs(target, reference, direction)).item() == 0
