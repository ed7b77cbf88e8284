"""Latent noise, dropout and the constant shift: where they act, and that they act nowhere else."""

import pytest
import torch

from unlearning_robustness.defences.constant_shift import constant_shift
from unlearning_robustness.defences.dropout import dropout_noise
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.models.slicing import LayerSpan

CHOSEN = torch.tensor([0, 2, 3])
NEUTRAL = {"latent-noise": {"noise_scale": 0.0}, "constant-shift": {"noise_scale": 0.0}, "dropout": {"rate": 0.0}}
ACTIVE = {"latent-noise": {"noise_scale": 0.5}, "constant-shift": {"noise_scale": 0.5}, "dropout": {"rate": 0.3}}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one, other):
    return one[0] == other[0] and all(torch.equal(tensor, other[1][name]) for name, tensor in one[1].items())


@pytest.mark.parametrize("method", ["rmu", "npo"])
@pytest.mark.parametrize("kind", list(NEUTRAL))
def test_none_of_it_is_no_defence_and_some_of_it_changes_only_the_retain_gradient(
    moved_engine, tiny_caches, defence, kind, method
):
    engine = moved_engine(method)
    retain, forget = tiny_caches["retain"].batch(CHOSEN), tiny_caches["forget"].batch(CHOSEN)
    plain = engine.retain_gradient(retain)
    assert same(build_step(defence(kind, **NEUTRAL[kind])).retain_gradient(engine, retain, random()), plain)
    active = build_step(defence(kind, **ACTIVE[kind]))
    assert not same(active.retain_gradient(engine, retain, random()), plain)
    assert same(active.forget_gradient(engine, forget, random()), engine.forget_gradient(forget))


def test_latent_noise_passes_through_the_trained_layers(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    loss, _ = build_step(defence("latent-noise", noise_scale=0.5)).retain_gradient(engine, batch, random(4))
    noisy = batch.prefix + 0.5 * torch.randn(batch.prefix.shape, generator=random(4))
    hidden = LayerSpan(engine.model, 1, 3)(hidden=noisy, attention_mask=batch.mask)
    counted = batch.mask.clone()
    counted[:, 0] = False
    expected = (hidden - batch.reference_hidden)[counted].square().mean()
    assert loss == pytest.approx(2.0 * expected.item(), rel=1e-5)


def test_dropout_zeroes_its_share_keeps_the_mean_and_leaves_the_first_token_alone():
    hidden = torch.full((8, 51, 500), 2.0)
    hidden[:, 0] = 900.0
    everywhere = dropout_noise(0.3, random())(hidden)
    assert torch.equal(everywhere[:, 0], hidden[:, 0])
    dropped = everywhere[:, 1:]
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.005)
    assert dropped.mean().item() == pytest.approx(2.0, rel=0.01)
    assert dropped.unique().tolist() == pytest.approx([0.0, 2.0 / 0.7])


def test_the_shift_is_the_same_at_every_position_and_call_and_of_the_length_of_the_noise():
    hidden, generator = torch.zeros(2, 3, 4000), random(5)
    first = constant_shift(1.5, generator)(hidden)
    torch.randn(7, generator=generator)
    again = constant_shift(1.5, generator)(hidden)
    assert torch.equal(first, again) and torch.equal(first[0, 0], first[1, 2])
    assert first[0, 0].norm().item() == pytest.approx(1.5 * 4000**0.5, rel=0.05)
    assert not torch.equal(constant_shift(1.5, random(6))(hidden), first)


def test_a_resumed_run_has_the_shift_of_the_whole_run(make_trainer, settings, defence, tmp_path):
    row = defence("constant-shift", noise_scale=1.0)
    whole = make_trainer(settings("rmu"), row)
    whole.run(lambda done: whole.save(tmp_path / "state") if done == 3 else None)
    rest = make_trainer(settings("rmu"), row)
    rest.restore(tmp_path / "state")
    rest.run()
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))
