import pytest
import torch
from torch.nn.functional import kl_div

from unlearning_robustness.methods.activation import ActivationRetain
from unlearning_robustness.methods.kl import KLRetain, kl_divergence
from unlearning_robustness.methods.loss_inputs import LossInputs

MASK = torch.arange(5)[None] < torch.tensor([5, 3])[:, None]


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


OURS, THEIRS = 2 * draw(2, 5, 9, seed=0), 2 * draw(2, 5, 9, seed=1)


def test_the_divergence_is_torchs_over_counted_positions():
    expected = kl_div(
        OURS[MASK].double().log_softmax(-1), THEIRS[MASK].double().log_softmax(-1),
        log_target=True, reduction="batchmean",
    )  # fmt: skip
    assert kl_divergence(OURS, THEIRS, MASK).item() == pytest.approx(expected.item(), rel=1e-6)
    assert abs(kl_divergence(THEIRS, OURS, MASK).item() - expected.item()) > 1e-2


def test_positions_that_do_not_count_do_not_matter():
    other = torch.where(MASK[..., None], OURS, 100 * draw(2, 5, 9, seed=2))
    assert torch.equal(kl_divergence(other, THEIRS, MASK), kl_divergence(OURS, THEIRS, MASK))


def test_a_shift_of_all_logits_of_a_position_changes_no_distribution():
    shift = 5 * draw(2, 5, 1, seed=3)
    torch.testing.assert_close(kl_divergence(OURS + shift, THEIRS, MASK), kl_divergence(OURS, THEIRS, MASK))


def test_the_divergence_is_zero_at_the_reference_and_has_no_slope_there():
    logits = THEIRS.clone().requires_grad_(True)
    loss = kl_divergence(logits, THEIRS, MASK)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(0, abs=1e-6) and gradient.abs().max() < 1e-7


def test_the_slope_is_the_difference_of_the_distributions():
    logits = OURS.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(kl_divergence(logits, THEIRS, MASK), logits)
    expected = (OURS.softmax(-1) - THEIRS.softmax(-1)) * MASK[..., None] / MASK.sum()
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-4)


def test_both_retain_losses_read_their_own_part():
    ids = torch.zeros(2, 5, dtype=torch.long)
    by_logits = LossInputs(input_ids=ids, mask=MASK, logits=OURS, reference_logits=THEIRS)
    assert torch.equal(KLRetain()(by_logits), kl_divergence(OURS, THEIRS, MASK)) and KLRetain.reads == "logits"
    by_hidden = LossInputs(input_ids=ids, mask=MASK, hidden=OURS, reference_hidden=THEIRS)
    expected = (OURS[MASK].double() - THEIRS[MASK].double()).square().mean().item()
    assert ActivationRetain()(by_hidden).item() == pytest.approx(expected, rel=1e-6)
    assert ActivationRetain.reads == "hidden"
