"""Latent adversarial training: the adversary stays in its ball, finds the knowledge, and touches nothing else."""

import pytest
import torch

from unlearning_robustness.defences.latent_adversarial import in_ball, projected_ascent
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.training import unlearning

CHOSEN = torch.tensor([0, 2, 3])
LAT = {"radius": 0.3, "steps": 3, "step_size": 0.5, "place": "entering"}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def watched(engine):
    """The disturbances of every forget gradient that ``engine`` takes, in order."""
    seen, take = [], engine.forget_gradient

    def watch(batch, **disturbed):
        seen.append(disturbed)
        return take(batch, **disturbed)

    engine.forget_gradient = watch
    return seen


def mean_norm(stream, mask):
    """Of all real tokens but the first of each text, one by one."""
    rows = [stream[text, place] for text, row in enumerate(mask) for place in range(1, int(row.sum()))]
    return sum(row.norm().item() for row in rows) / len(rows)


def test_the_ball_cuts_what_is_too_long_and_nothing_else():
    perturbation = torch.tensor([[[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [3.0, 4.0]]])
    found = in_ball(perturbation, 1.0, torch.tensor([[True, True, True, False]]))
    torch.testing.assert_close(found, torch.tensor([[[0.6, 0.8], [0.3, 0.4], [0.0, 0.0], [0.0, 0.0]]]))


def test_of_a_linear_loss_the_ascent_finds_each_token_s_maximum():
    slope = torch.randn(2, 3, 5, generator=random())
    slope[1, 1] = 0.0
    mask = torch.tensor([[True, True, True], [True, True, False]])
    start = torch.randn(2, 3, 5, generator=random(1))
    found = projected_ascent(lambda given: (slope * given).sum(), start, 2.0, mask, 60, 0.5)
    expected = 2.0 * slope / slope.norm(dim=-1, keepdim=True)
    for text, place in ((0, 0), (0, 1), (0, 2), (1, 0)):
        torch.testing.assert_close(found[text, place], expected[text, place], atol=1e-2, rtol=0)
    still = start[1, 1] * min(1.0, 2.0 / start[1, 1].norm().item())
    torch.testing.assert_close(found[1, 1], still)
    assert torch.equal(found[1, 2], torch.zeros(5))


@pytest.mark.parametrize("place", ["entering", "leaving"])
@pytest.mark.parametrize("method", ["rsv", "npo", "dpo"])
def test_loss_and_gradient_are_those_of_the_disturbed_model_beside_a_clean_reference(
    moved_engine, tiny_caches, defence, method, place
):
    engine, batch = moved_engine(method), tiny_caches["forget"].batch(CHOSEN)
    seen, step = watched(engine), build_step(defence("latent-adversarial", **LAT | {"place": place}))
    loss, gradient = step.forget_gradient(engine, batch, random())
    (disturbed,) = seen
    assert list(disturbed) == [place]
    clean = engine._forget_inputs(batch, engine.refusal and engine._forget_inputs(engine.refusal))
    entering = disturbed[place](batch.prefix) if place == "entering" else batch.prefix
    hidden = LayerSpan(engine.model, 1, 3)(hidden=entering, attention_mask=batch.mask)
    hidden = disturbed[place](hidden) if place == "leaving" else hidden
    logits = logits_of(engine.model, LayerSpan(engine.model, 3, 4)(hidden=hidden, attention_mask=batch.mask))
    # The loss inputs are frozen; the field for the trained model's quantities is filled by hand.
    object.__setattr__(clean, engine.method.reads, {"hidden": hidden, "logits": logits}[engine.method.reads])
    by_hand = engine.method.forget_loss(clean)
    assert step.measures["loss_perturbed"] == pytest.approx(by_hand.item(), rel=1e-5)
    by_autograd = torch.autograd.grad(by_hand, list(engine.weights.live.values()))
    for found, expected in zip(gradient.values(), by_autograd, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert loss == pytest.approx(engine.forget_loss(batch).item(), rel=1e-6)


@pytest.mark.parametrize("method", ["rmu", "npo"])
def test_real_tokens_move_by_the_radius_and_padding_not_at_all(moved_engine, tiny_caches, defence, method):
    engine, batch = moved_engine(method), tiny_caches["forget"].batch(CHOSEN)
    assert not batch.mask.all()
    seen, step = watched(engine), build_step(defence("latent-adversarial", **LAT))
    step.forget_gradient(engine, batch, random())
    moved = seen[0]["entering"](batch.prefix)
    size, radius = (moved - batch.prefix).norm(dim=-1), 0.3 * mean_norm(batch.prefix, batch.mask)
    assert torch.equal(moved[~batch.mask], batch.prefix[~batch.mask])
    assert (size[batch.mask] <= radius * 1.001).all() and (size[batch.mask] > 0.2 * radius).all()
    assert step.measures["perturbation_norm"] == pytest.approx(size[batch.mask].mean().item(), rel=1e-3)
    assert step.measures["perturbation_norm"] == pytest.approx(radius, rel=0.05)


@pytest.mark.parametrize("method", ["rmu", "npo", "simnpo", "gradient-ascent"])
def test_the_adversary_raises_the_forget_loss_above_what_chance_does(moved_engine, tiny_caches, defence, method):
    engine, batch = moved_engine(method), tiny_caches["forget"].batch(CHOSEN)
    found = {}
    for radius, steps in ((0.3, 1), (0.3, 8), (0.6, 8)):
        step = build_step(defence("latent-adversarial", radius=radius, steps=steps))
        clean, _ = step.forget_gradient(engine, batch, random())
        found[radius, steps] = step.measures["loss_perturbed"]
    prefix, mask = batch.prefix, batch.mask
    drawn = torch.nn.functional.normalize(torch.randn(prefix.shape, generator=random(7)), dim=-1)
    by_chance = drawn * 0.3 * mean_norm(prefix, mask) * mask[..., None]
    chance = engine.forget_loss(batch, entering=lambda hidden: hidden + by_chance).item()
    assert found[0.3, 8] > max(clean, chance, found[0.3, 1])
    assert found[0.6, 8] > found[0.3, 8]


def test_no_gradient_reaches_a_weight_s_own_and_none_of_the_weights_moves(moved_engine, tiny_caches, defence):
    engine = moved_engine("npo")
    before = {name: tensor.detach().clone() for name, tensor in engine.model.named_parameters()}
    build_step(defence("latent-adversarial", **LAT)).forget_gradient(
        engine, tiny_caches["forget"].batch(CHOSEN), random()
    )
    assert all(tensor.grad is None for tensor in engine.model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in engine.model.named_parameters())
    trained = [name for name, tensor in engine.model.named_parameters() if tensor.requires_grad]
    assert trained == list(engine.weights.live)


def test_the_start_is_the_stream_s_and_a_resumed_run_has_the_same(make_trainer, settings, defence, tmp_path):
    row = defence("latent-adversarial", **LAT)
    whole, again, other = (make_trainer(settings("rmu"), row, seed=seed) for seed in (1, 1, 2))
    whole.run(lambda done: whole.save(tmp_path / "state") if done == 2 else None)
    again.restore(tmp_path / "state")
    again.run(), other.run()
    assert again.history == whole.history and other.history != whole.history
    assert all(torch.equal(one, two) for one, two in zip(whole.master, again.master, strict=True))
    assert all(row["loss_perturbed"] > row["forget_loss"] for row in whole.history)


def test_it_composes_with_rna_on_the_retain_branch(moved_engine, tiny_caches, defence):
    engine, lat, rna = moved_engine("rmu"), defence("latent-adversarial", **LAT), defence("rna", noise_scale=2.0)
    forget, retain = tiny_caches["forget"].batch(CHOSEN), tiny_caches["retain"].batch(CHOSEN)
    both, alone, noisy = build_step(rna + lat), build_step(lat), build_step(rna)
    for found, expected in (
        (both.forget_gradient(engine, forget, random()), alone.forget_gradient(engine, forget, random())),
        (both.retain_gradient(engine, retain, random()), noisy.retain_gradient(engine, retain, random())),
    ):
        assert found[0] == expected[0]
        assert all(torch.equal(found[1][name], expected[1][name]) for name in expected[1])
    assert noisy.retain_gradient(engine, retain, random())[0] != engine.retain_gradient(retain)[0]


def test_in_bfloat16_the_realised_norm_is_the_radius_or_the_radius_is_refused(
    make_model, make_caches, settings, defence
):
    model = make_model(dtype=torch.bfloat16)
    caches = make_caches(model)
    trainer = unlearning.make_trainer(model, settings("npo"), defence("latent-adversarial", **LAT), caches, 1)
    seen, batch = watched(trainer.engine), caches["forget"].batch(CHOSEN)
    trainer.step.forget_gradient(trainer.engine, batch, random())
    wanted = seen[0]["entering"](batch.prefix).float() - batch.prefix.float()
    moved = seen[0]["entering"](batch.prefix).to(torch.bfloat16)
    realised = (moved.float() - batch.prefix.float()).norm()
    assert realised == pytest.approx(wanted.norm().item(), rel=0.05)
    assert (moved.float() - batch.prefix.float()).norm(dim=-1)[batch.mask].mean() > 0
    tiny = build_step(defence("latent-adversarial", radius=1e-4))
    with pytest.raises(TrainingError, match=r"after rounding.*give a larger one"):
        tiny.forget_gradient(trainer.engine, batch, random())
