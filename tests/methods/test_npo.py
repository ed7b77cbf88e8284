import math

import pytest
import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.method import build_method
from unlearning_robustness.methods.npo import NPO, npo_loss
from unlearning_robustness.scoring.likelihood import normalise

NLL, REFERENCE = torch.tensor([6.0, 30.0]), torch.tensor([5.0, 20.0])
TOKENS = torch.tensor([2.0, 10.0])


def hand(gains, beta):
    return -(2 / beta) * sum(math.log(1 / (1 + math.exp(-beta * gain))) for gain in gains) / len(gains)


@pytest.mark.parametrize("beta", [0.01, 0.1, 2.0])
def test_the_loss_is_the_papers_formula(beta):
    nll, reference = NLL.double(), REFERENCE.double()
    assert npo_loss(nll, reference, beta).item() == pytest.approx(hand([1.0, 10.0], beta), rel=1e-12)


def test_at_the_reference_the_loss_is_two_log_two_over_beta():
    assert npo_loss(NLL, NLL, 0.1).item() == pytest.approx(20 * math.log(2), rel=1e-6)


@pytest.mark.parametrize(
    ("normalisation", "gains"),
    [("token-mean", [0.5, 1.0]), ("sequence-sum", [1.0, 10.0]), ("batch-mean", [11 / 12])],
)
def test_each_normalisation_is_its_own_loss(normalisation, gains):
    current, reference = (normalise(value.double(), TOKENS.double(), normalisation) for value in (NLL, REFERENCE))
    assert (current - reference).reshape(-1).tolist() == pytest.approx(gains)
    assert npo_loss(current, reference, 0.3).item() == pytest.approx(hand(gains, 0.3), rel=1e-12)


def logits_readout(logits, ids, mask, reference=NLL):
    tokens = mask[:, 1:].sum(-1).float()
    return LossInputs(input_ids=ids, mask=mask, logits=logits, reference_nll=reference, reference_tokens=tokens)


@pytest.fixture
def text():
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 9, (2, 6), generator=random)
    mask = torch.arange(6)[None] < torch.tensor([6, 4])[:, None]
    return torch.randn(2, 6, 9, generator=random), ids, mask


def test_the_loss_of_logits_is_that_of_their_likelihoods(text):
    logits, ids, _ = text
    probabilities = logits.double().log_softmax(-1)
    gains = []
    for row, length in enumerate([6, 4]):
        nll = -sum(probabilities[row, t, ids[row, t + 1]].item() for t in range(length - 1))
        gains.append((nll - NLL[row].item()) / (length - 1))
    assert NPO(beta=0.3)(logits_readout(*text)).item() == pytest.approx(hand(gains, 0.3), rel=1e-6)


@pytest.mark.parametrize("normalisation", ["token-mean", "sequence-sum", "batch-mean"])
def test_descent_makes_the_forget_text_less_likely(text, normalisation):
    logits, ids, mask = text
    logits = logits.clone().requires_grad_(True)
    loss = NPO(beta=0.3, normalisation=normalisation)(logits_readout(logits, ids, mask))
    (gradient,) = torch.autograd.grad(loss, logits)
    target = gradient[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    assert (target[mask[:, 1:]] > 0).all()
    assert gradient[:, :-1][~mask[:, 1:]].abs().sum() == 0 and gradient[:, -1].abs().sum() == 0


def test_text_that_is_already_unlikely_is_pushed_less(text):
    def push(reference):
        logits = text[0].clone().requires_grad_(True)
        inputs = logits_readout(logits, *text[1:], reference=torch.full((2,), reference))
        return torch.autograd.grad(NPO(beta=0.3)(inputs), logits)[0].norm().item()

    assert push(-50.0) < push(10.0) < push(50.0)


def test_the_loss_passes_gradcheck():
    nll = NLL.double().requires_grad_(True)

    def loss(value):
        return npo_loss(normalise(value, TOKENS.double(), "token-mean"), REFERENCE.double() / TOKENS, 0.3)

    assert torch.autograd.gradcheck(loss, nll)


def test_npo_reads_logits_and_has_no_direction(settings):
    method = build_method(settings("npo"))
    assert method.reads == "logits" and method.forget_loss.direction(8, torch.Generator()) is None
    assert method.forget_loss == NPO(beta=0.5, normalisation="token-mean")
