import pytest
import torch

from unlearning_robustness.evaluation.curvature import LatentLoss, hessian_traces, loss_increases

QUESTIONS = [((5, 9, 33, 7), (12,)), ((8, 2, 61), (40, 3))]


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def loss(tiny_model):
    return LatentLoss.of(tiny_model, 1, QUESTIONS)


def test_the_loss_at_the_latent_is_the_answer_s_likelihood(loss, tiny_model):
    for row, (prompt, answer) in enumerate(QUESTIONS):
        logits = tiny_model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        expected = -sum(logits[len(prompt) - 1 + place, token] for place, token in enumerate(answer))
        assert loss(loss.latent)[row].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_trace_is_that_of_the_full_hessian(loss):
    one = LatentLoss.of(loss.model, 1, QUESTIONS[:1])
    hessian = torch.autograd.functional.hessian(lambda latent: one(latent).sum(), one.latent)
    size = one.latent.numel()
    free = one.free.expand_as(one.latent).flatten()
    exact = hessian.reshape(size, size).diagonal()[free].sum().item()
    estimates = hessian_traces(one, 400, random())
    error = estimates.std().item() / 400**0.5
    assert estimates.mean().item() == pytest.approx(exact, abs=4 * error)
    assert error < abs(exact)


def test_the_traces_are_the_same_where_attention_is_fused(loss, request):
    expected = hessian_traces(loss, 3, random())
    request.getfixturevalue("fused_attention")
    torch.testing.assert_close(hessian_traces(loss, 3, random()), expected)


def test_questions_do_not_mix(loss):
    together = hessian_traces(loss, 3, random())
    assert together.shape == (3, 2)
    scaled = LatentLoss(loss.model, loss.above, loss.input_ids, loss.mask, loss.predicted.clone(), loss.latent)
    scaled.predicted[1] = False
    alone = hessian_traces(scaled, 3, random())
    torch.testing.assert_close(alone[:, 0], together[:, 0], rtol=1e-3, atol=1e-4)
    assert alone[:, 1].abs().max() == 0


def test_small_noise_raises_the_loss_by_half_the_variance_times_the_trace(loss):
    scale = 0.02
    increase = loss_increases(loss, scale, 4000, random(1))
    trace = hessian_traces(loss, 400, random()).mean(0)
    error = increase.std(0) / 4000**0.5
    assert ((increase.mean(0) - scale**2 / 2 * trace).abs() < 4 * error + 1e-4).all()


def test_the_first_token_and_padding_are_left_alone(loss):
    assert loss.free[..., 0].tolist() == [[False, True, True, True, True], [False, True, True, True, True]]
