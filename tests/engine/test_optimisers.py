import pytest
import torch
from independent.optimisers import transformers_adamw

from unlearning_robustness.engine.optimisers import TransformersAdamW


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_the_formula(dtype, weight_decay):
    random = torch.Generator().manual_seed(0)
    ours = torch.randn(20, 30, generator=random).to(dtype)
    theirs, state, optimiser = ours.clone(), {}, TransformersAdamW([ours], 1e-2, weight_decay)
    for _ in range(5):
        ours.grad = (1e-3 * torch.randn(20, 30, generator=random)).to(dtype)
        theirs = transformers_adamw(theirs, ours.grad, 1e-2, state, weight_decay)
        optimiser.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6 if dtype == torch.float32 else 1e-2, atol=1e-7)


def test_its_epsilon_is_larger_than_torchs_at_the_first_step():
    """Beside the uncorrected root 1e-6 counts as 1e-6 / sqrt(0.001)."""
    ours, theirs = torch.zeros(1), torch.zeros(1)
    ours.grad, theirs.grad = torch.tensor([3e-5]), torch.tensor([3e-5])
    TransformersAdamW([ours], 1.0, 0.0).step()
    torch.optim.AdamW([theirs], lr=1.0, weight_decay=0.0).step()
    assert ours.item() == pytest.approx(-3e-5 / (3e-5 + 1e-6 / 0.001**0.5), rel=1e-4)
    assert theirs.item() == pytest.approx(-1.0, rel=1e-3)


def test_a_tensor_without_a_gradient_stays():
    tensor = torch.ones(3)
    TransformersAdamW([tensor], 1.0, 0.5).step()
    assert tensor.tolist() == [1, 1, 1]
