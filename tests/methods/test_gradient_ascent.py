import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.methods import GradientAscent
from unlearning_robustness.methods.readout import Readout
from unlearning_robustness.methods.retain import NLLRetain

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()


@pytest.fixture
def readout():
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 11, (2, 5), generator=random)
    return Readout(ids, MASK, logits=torch.randn(2, 5, 11, generator=random, requires_grad=True))


def nlls(readout):
    return [cross_entropy(readout.logits[row, : n - 1], readout.input_ids[row, 1:n]) for row, n in ((0, 5), (1, 3))]


def test_each_normalisation_is_minus_its_own_mean(readout):
    first, second = (value.item() for value in nlls(readout))
    expected = {
        "token-mean": (first + second) / 2, "sequence-sum": (4 * first + 2 * second) / 2,
        "batch-mean": (4 * first + 2 * second) / 6,
    }  # fmt: skip
    for name, value in expected.items():
        assert GradientAscent(normalisation=name)(readout).item() == pytest.approx(-value, rel=1e-5)


def test_the_retain_loss_is_the_mean_a_token_and_descends_where_ascent_climbs(readout):
    first, second = nlls(readout)
    loss = NLLRetain()(readout)
    assert loss.item() == pytest.approx((4 * first + 2 * second).item() / 6, rel=1e-5)
    up = torch.autograd.grad(GradientAscent(normalisation="batch-mean")(readout), readout.logits)[0]
    torch.testing.assert_close(up, -torch.autograd.grad(NLLRetain()(readout), readout.logits)[0])
