import pytest
import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.method import build_method
from unlearning_robustness.methods.rsv import RSV

MASK = torch.tensor([[False, True, True], [False, True, False]])


def inputs(hidden, reference, direction):
    ids = torch.zeros(2, 3, dtype=torch.long)
    return LossInputs(input_ids=ids, mask=MASK, hidden=hidden, reference_hidden=reference, direction=direction)


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_the_squared_distance_to_the_shifted_reference():
    hidden, reference, direction = draw(2, 3, 8, seed=0), draw(2, 3, 8, seed=1), draw(8, seed=2)
    shift = hidden.double() - reference.double() - 3.5 * direction.double()
    expected = (shift[MASK] ** 2).sum() / (3 * 8)
    assert RSV(coefficient=3.5)(inputs(hidden, reference, direction)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_at_the_reference_the_loss_is_the_squared_coefficient_over_the_width():
    reference = draw(2, 3, 8, seed=1)
    direction = draw(8, seed=2) / draw(8, seed=2).norm()
    assert RSV(coefficient=3.5)(inputs(reference, reference, direction)).item() == pytest.approx(3.5**2 / 8, rel=1e-5)


def test_the_gradient_pushes_along_the_direction():
    reference, direction = draw(2, 3, 8, seed=1), draw(8, seed=2)
    hidden = reference.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(RSV(coefficient=3.5)(inputs(hidden, reference, direction)), hidden)
    torch.testing.assert_close(gradient[MASK], (-2 * 3.5 * direction / 24).expand(3, 8))


def test_the_direction_is_gaussian_unless_uniform_is_asked_for():
    random = torch.Generator().manual_seed(0)
    assert (RSV(coefficient=1.0).direction(300, random) < 0).any()
    assert (RSV(coefficient=1.0, steering="uniform").direction(300, random) >= 0).all()


def test_a_method_is_built_from_its_entry(settings):
    method = build_method(settings("rsv"))
    assert method.forget_loss == RSV(coefficient=6.0, steering="gaussian") and method.reads == "hidden"
