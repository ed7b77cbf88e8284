import pytest
import torch
from objectives import OBJECTIVES, PARAMETERS
from torch.nn.functional import kl_div

from unlearning_robustness.defences.rna import gaussian_noise
from unlearning_robustness.defences.row import build_step

CHOSEN = torch.tensor([0, 2, 3])


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def bits_equal(one, other):
    (loss, gradient), (loss_other, gradient_other) = one, other
    return loss == loss_other and all(torch.equal(gradient[name], gradient_other[name]) for name in gradient)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_scale_is_a_standard_deviation(scale):
    hidden = torch.full((400, 500), 7.0)
    noise = gaussian_noise(scale, random())(hidden) - hidden
    assert noise.std().item() == pytest.approx(scale, rel=0.01)
    assert abs(noise.mean().item()) < 0.01 * scale
    assert (noise.abs() < scale).float().mean().item() == pytest.approx(0.6827, abs=0.005)


def test_noise_is_fresh_at_every_call_and_seedable():
    hidden = torch.zeros(3, 4)
    noise, again = gaussian_noise(1.0, random(1)), gaussian_noise(1.0, random(1))
    first, second = noise(hidden), noise(hidden)
    assert not torch.equal(first, second)
    assert torch.equal(again(hidden), first) and torch.equal(again(hidden), second)
    assert hidden.abs().sum() == 0


@pytest.mark.parametrize("method", PARAMETERS)
def test_the_forget_gradient_is_left_alone(moved_engine, tiny_caches, defence, method):
    engine, batch = moved_engine(method), tiny_caches["forget"].batch(CHOSEN)
    step = build_step(defence("rna", noise_scale=5.0))
    assert bits_equal(step.forget_gradient(engine, batch, random()), engine.forget_gradient(batch))


@pytest.mark.parametrize(("method", "retain"), OBJECTIVES)
def test_noise_of_scale_zero_is_no_defence_bit_for_bit(moved_engine, tiny_caches, defence, method, retain):
    engine, batch = moved_engine(method, retain_loss=retain), tiny_caches["retain"].batch(CHOSEN)
    plain = build_step([]).retain_gradient(engine, batch, random())
    assert bits_equal(build_step(defence("rna", noise_scale=0.0)).retain_gradient(engine, batch, random()), plain)
    assert not bits_equal(build_step(defence("rna", noise_scale=0.1)).retain_gradient(engine, batch, random()), plain)


@pytest.mark.parametrize("method", ["rmu", "npo"])
def test_noise_is_on_the_reference_and_never_on_the_trained_model(
    moved_engine, tiny_model, tiny_caches, defence, method
):
    engine, batch = moved_engine(method), tiny_caches["retain"].batch(CHOSEN)
    before = engine.weights.delta()
    loss, _ = build_step(defence("rna", noise_scale=0.7)).retain_gradient(engine, batch, random(4))
    noisy = batch.reference_hidden + 0.7 * torch.randn(batch.reference_hidden.shape, generator=random(4))
    output = engine.model(batch.input_ids, attention_mask=batch.mask, output_hidden_states=True)
    if method == "rmu":
        counted = batch.mask.clone()
        counted[:, 0] = False
        expected = (output.hidden_states[3][counted] - noisy[counted]).square().mean()
    else:
        # The model as it came, run on from the noisy activations.
        tiny_model.model.layers[2].register_forward_hook(lambda *_: noisy)
        theirs = tiny_model(batch.input_ids, attention_mask=batch.mask).logits[batch.mask].log_softmax(-1)
        ours = output.logits[batch.mask].log_softmax(-1)
        expected = kl_div(ours, theirs, log_target=True, reduction="batchmean")
    assert loss == pytest.approx(2.0 * expected.item(), rel=1e-4)
    assert all(torch.equal(engine.weights.live[name], tensor) for name, tensor in before.items())


def deviation(engine, batch, step, draws=200):
    """Squared distance of the mean gradient from the clean one, in units of what chance alone would give."""
    generator = random(7)
    clean = torch.cat([value.flatten() for value in engine.retain_gradient(batch)[1].values()])
    drawn = torch.stack([
        torch.cat([value.flatten() for value in step.retain_gradient(engine, batch, generator)[1].values()])
        for _ in range(draws)
    ])  # fmt: skip
    chance = drawn.var(dim=0).sum() / draws
    return ((drawn.mean(0) - clean).square().sum() / chance).item()


def test_noise_leaves_the_expected_gradient_of_an_activation_target_as_it_is(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    assert 0.4 < deviation(engine, batch, build_step(defence("rna", noise_scale=2.0))) < 2.0


def test_noise_changes_the_expected_gradient_of_a_divergence(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("npo"), tiny_caches["retain"].batch(CHOSEN)
    assert deviation(engine, batch, build_step(defence("rna", noise_scale=2.0))) > 5.0


def test_the_bias_of_a_divergence_s_gradient_grows_with_the_noise(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("npo"), tiny_caches["retain"].batch(CHOSEN)
    clean = torch.cat([value.flatten() for value in engine.retain_gradient(batch)[1].values()])
    biases = []
    for scale in (0.5, 1.5, 4.0):
        step, generator = build_step(defence("rna", noise_scale=scale)), random(7)
        drawn = [step.retain_gradient(engine, batch, generator)[1].values() for _ in range(100)]
        mean = torch.stack([torch.cat([value.flatten() for value in one]) for one in drawn]).mean(0)
        biases.append((mean - clean).norm().item())
    assert biases == sorted(biases) and biases[2] > 2 * biases[0]
