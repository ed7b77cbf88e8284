"""The smoothness baselines as released: what their code does, flaws included, and that `corrected` differs from it."""

import pytest
import torch

from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.weights import norm
from unlearning_robustness.training import unlearning

CHOSEN = torch.tensor([0, 2, 3])
RELEASED = {"implementation": "released"}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def held(trainer):
    return {name: tensor.detach().clone() for name, tensor in trainer.engine.weights.live.items()}


@pytest.fixture
def low(make_model, make_caches, settings):
    """Builds a trainer of a bfloat16 model."""

    def make(row, method="npo", **changes):
        model = make_model(dtype=torch.bfloat16)
        return unlearning.make_trainer(model, settings(method), row, make_caches(model), 1, **changes)

    return make


def test_the_released_gradient_penalty_is_plain_unlearning_bit_for_bit(make_trainer, settings, defence):
    plain = make_trainer(settings("npo"))
    released = make_trainer(settings("npo"), defence("gradient-penalty", weight=10.0, **RELEASED))
    corrected = make_trainer(settings("npo"), defence("gradient-penalty", weight=10.0))
    histories = [trainer.run() for trainer in (plain, released, corrected)]
    assert all(torch.equal(one, other) for one, other in zip(plain.master, released.master, strict=True))
    assert not torch.equal(plain.master[0], corrected.master[0])
    for row, penalised in zip(*histories[:2], strict=True):
        assert penalised.pop("penalty") == pytest.approx(0.01 * row["forget_gradient"], rel=1e-6)
        assert penalised.pop("cosine_gp", 1.0) == pytest.approx(1.0)
        assert penalised == row
    first = histories[2][0]
    assert first["penalty"] == pytest.approx(10.0 * histories[0][0]["forget_gradient"], rel=1e-4)


def test_the_released_curvature_counts_the_forget_gradient_twice_and_its_penalty_not_at_all(
    moved_engine, tiny_caches, defence
):
    engine, batch = moved_engine("npo"), tiny_caches["forget"].batch(CHOSEN)
    loss, gradient = engine.forget_gradient(batch)
    ahead = {name: tensor + gradient[name] * 0.01 / norm(gradient) for name, tensor in engine.weights.master.items()}
    with engine.weights.at(ahead):
        there = engine.forget_gradient(batch)[1]
    step = build_step(defence("curvature", weight=3.0, radius=0.5, **RELEASED))
    found_loss, found = step.forget_gradient(engine, batch, random())
    assert found_loss == loss and all(torch.equal(found[name], 2 * gradient[name]) for name in gradient)
    change = norm({name: there[name] - gradient[name] for name in gradient})
    assert step.measures["penalty"] == pytest.approx(3.0 * change, rel=1e-3)


def test_the_released_sam_is_the_corrected_one_up_to_rounding_in_float32(make_trainer, settings, defence):
    released, corrected = (
        make_trainer(settings("npo"), defence("sam", radius=0.5, **more), steps=1) for more in (RELEASED, {})
    )
    (one,), (other,) = released.run(), corrected.run()
    assert one.pop("perturbation_norm") == pytest.approx(0.5, rel=1e-3)
    assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


def test_in_bfloat16_the_released_sam_loses_most_of_a_small_radius(low, defence):
    (row,) = low(defence("sam", radius=3e-4, **RELEASED), steps=1).run()
    assert row["perturbation_norm"] < 0.8 * 3e-4
    (row,) = low(defence("sam", radius=1.0, **RELEASED), steps=1).run()
    assert row["perturbation_norm"] == pytest.approx(1.0, rel=0.05)


def test_in_bfloat16_the_released_weights_are_those_after_adding_and_subtracting(low, defence):
    trainer = low(defence("randomised-smoothing", scale=0.01, draws=1, **RELEASED))
    engine, before = trainer.engine, held(trainer)
    master = {name: tensor.clone() for name, tensor in engine.weights.master.items()}
    trainer.step.forget_gradient(engine, trainer.caches["forget"].batch(CHOSEN), random())
    generator = random()
    for name, tensor in before.items():
        noise = (0.01 * torch.randn(tensor.shape, generator=generator)).bfloat16()
        expected = (tensor + noise) - noise
        assert torch.equal(engine.weights.live[name], expected)
        drift = expected.float() - tensor.float()
        torch.testing.assert_close(engine.weights.master[name], master[name] + drift)
        assert 0.001 < (drift != 0).float().mean() < 0.5
    assert list(map(id, trainer.master)) == list(map(id, engine.weights.master.values()))


def test_the_released_smoothing_walks_where_the_corrected_one_stands_still(low, defence):
    """At a learning rate that moves nothing, all that moves the weights is what the perturbation leaves behind."""
    moved = {}
    for implementation in ("corrected", "released"):
        row = defence("randomised-smoothing", scale=0.02, draws=3, implementation=implementation)
        trainer = low(row, learning_rate=1e-12)
        history = trainer.run()
        moved[implementation] = trainer.engine.weights.change(trainer.engine.weights.delta())
        assert ("perturbation_norm" in history[0]) == (implementation == "released")
    assert moved["corrected"] == 0 < moved["released"]


def test_the_released_average_is_rounded_and_takes_multiples(low, defence):
    trainer, seen = low(defence("weight-averaging", start=3, every=2, **RELEASED)), {}
    trainer.run(lambda done: seen.update({done: held(trainer)}))
    # Step 6 is seen after the last step, before the mean stands in its place.
    for name, tensor in trainer.engine.weights.delta().items():
        expected = (seen[4][name] * 1 + seen[6][name]) / 2
        assert tensor.dtype == torch.bfloat16 and torch.equal(tensor, expected)
    corrected, masters = low(defence("weight-averaging", start=3, every=2)), {}
    corrected.run(lambda done: masters.update({done: corrected.master[0].clone()}))
    live = next(iter(corrected.engine.weights.delta().values()))
    assert torch.equal(live, ((masters[3] + masters[5]) / 2).bfloat16())


@pytest.mark.parametrize("stopped", [3, 5])
def test_a_resumed_released_average_is_that_of_the_whole_run(low, defence, tmp_path, stopped):
    row = defence("weight-averaging", start=2, every=1, **RELEASED)
    whole, rest = low(row), low(row)
    whole.run(lambda done: whole.save(tmp_path / "state") if done == stopped else None)
    rest.restore(tmp_path / "state")
    rest.run()
    ends = [list(trainer.engine.weights.delta().values()) for trainer in (whole, rest)]
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
