import math

import pytest
import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.npo import NPO
from unlearning_robustness.methods.simnpo import SimNPO, simnpo_loss


@pytest.mark.parametrize(("beta", "margin"), [(0.1, 0.0), (2.0, 0.7)])
def test_the_loss_is_the_papers_formula(beta, margin):
    nll = [1.5, 4.0]
    expected = sum(math.log(1 + math.exp(-(beta * value - margin))) for value in nll) * 2 / beta / 2
    assert simnpo_loss(torch.tensor(nll).double(), beta, margin).item() == pytest.approx(expected, rel=1e-12)


def test_without_margin_it_is_npo_against_a_reference_that_is_never_surprised():
    random = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(2, 5, 7, generator=random), torch.randint(0, 7, (2, 5), generator=random)
    mask = torch.arange(5)[None] < torch.tensor([5, 3])[:, None]
    given = LossInputs(
        ids, mask, logits=logits, reference_nll=torch.zeros(2), reference_tokens=mask[:, 1:].sum(-1).float()
    )
    for normalisation in ("token-mean", "sequence-sum", "batch-mean"):
        sim, npo = (kind(beta=0.4, normalisation=normalisation)(given).item() for kind in (SimNPO, NPO))
        assert sim == pytest.approx(npo, rel=1e-6)
