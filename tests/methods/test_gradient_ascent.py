import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.methods.gradient_ascent import GradientAscent
from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.nll import NLLRetain

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()


@pytest.fixture
def inputs():
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 11, (2, 5), generator=random)
    return LossInputs(ids, MASK, logits=torch.randn(2, 5, 11, generator=random, requires_grad=True))


def nlls(inputs):
    return [cross_entropy(inputs.logits[row, : n - 1], inputs.input_ids[row, 1:n]) for row, n in ((0, 5), (1, 3))]


def test_each_normalisation_is_minus_its_own_mean(inputs):
    first, second = (value.item() for value in nlls(inputs))
    expected = {
        "token-mean": (first + second) / 2, "sequence-sum": (4 * first + 2 * second) / 2,
        "batch-mean": (4 * first + 2 * second) / 6,
    }  # fmt: skip
    for name, value in expected.items():
        assert GradientAscent(normalisation=name)(inputs).item() == pytest.approx(-value, rel=1e-5)


def test_the_retain_loss_is_the_mean_a_token_and_descends_where_ascent_climbs(inputs):
    first, second = nlls(inputs)
    loss = NLLRetain()(inputs)
    assert loss.item() == pytest.approx((4 * first + 2 * second).item() / 6, rel=1e-5)
    up = torch.autograd.grad(GradientAscent(normalisation="batch-mean")(inputs), inputs.logits)[0]
    torch.testing.assert_close(up, -torch.autograd.grad(NLLRetain()(inputs), inputs.logits)[0])
