import pytest
import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.method import build_method
from unlearning_robustness.methods.rmu import RMU

MASK = torch.tensor([[False, True, True], [False, True, False]])


def inputs(hidden, direction):
    return LossInputs(input_ids=torch.zeros(2, 3, dtype=torch.long), mask=MASK, hidden=hidden, direction=direction)


def test_the_loss_is_the_squared_distance_to_the_scaled_direction():
    random = torch.Generator().manual_seed(0)
    hidden, direction = torch.randn(2, 3, 8, generator=random), torch.randn(8, generator=random)
    counted = hidden[MASK].double()
    expected = ((counted - 3.5 * direction.double()) ** 2).sum() / (3 * 8)
    assert RMU(coefficient=3.5)(inputs(hidden, direction)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_loss_is_zero_at_its_target():
    direction = torch.randn(8)
    assert RMU(coefficient=3.5)(inputs((3.5 * direction).expand(2, 3, 8), direction)).item() == 0


def test_descent_moves_activations_towards_the_target():
    hidden, direction = torch.randn(2, 3, 8, requires_grad=True), torch.randn(8)
    (gradient,) = torch.autograd.grad(RMU(coefficient=3.5)(inputs(hidden, direction)), hidden)
    before = (hidden - 3.5 * direction).norm(dim=-1)
    after = (hidden - gradient - 3.5 * direction).norm(dim=-1)
    assert (after[MASK] < before[MASK]).all() and torch.equal(after[~MASK], before[~MASK])


def test_the_direction_is_all_positive_unless_gaussian_is_asked_for():
    random = torch.Generator().manual_seed(0)
    assert (RMU(coefficient=1.0).direction(300, random) >= 0).all()
    assert (RMU(coefficient=1.0, steering="gaussian").direction(300, random) < 0).any()


def test_a_method_is_built_from_its_entry(settings):
    method = build_method(settings("rmu", implementation="released"))
    assert method.reads == "hidden" and method.retain_loss.reads == "hidden"
    assert (method.layers, method.read_layer, method.retain_weight) == ((1, 2), 2, 2.0)
    assert method.forget_loss == RMU(coefficient=6.0, steering="uniform") and method.implementation == "released"
