import math

import pandas
import pytest
import torch

from unlearning_robustness.engine.weights import norm
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.training.orders import batch_order


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one, other):
    """Bit for bit the same weights, in model and masters."""
    pairs = [
        (one.engine.weights.live, other.engine.weights.live),
        (one.engine.weights.master, other.engine.weights.master),
    ]
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


def moved(trainer):
    return trainer.engine.weights.change(trainer.engine.weights.delta())


@pytest.mark.parametrize(("count", "batch_size"), [(7, 3), (3, 7), (4, 4)])
def test_a_longer_run_begins_with_the_batches_of_a_shorter_one(count, batch_size):
    long = batch_order(count, batch_size, 20, random())
    assert long.shape == (20, batch_size)
    for steps in (1, 5, 13):
        assert torch.equal(batch_order(count, batch_size, steps, random()), long[:steps])
    assert not torch.equal(batch_order(count, batch_size, 20, random(1)), long)


def test_every_pass_covers_every_text_once():
    flat = batch_order(7, 3, 14, random()).flatten()
    for start in range(0, 42, 7):
        assert sorted(flat[start : start + 7].tolist()) == list(range(7))
    assert not torch.equal(flat[:7], flat[7:14])


@pytest.mark.parametrize("method", ["rmu", "rsv", "npo"])
def test_training_lowers_the_forget_loss(make_trainer, settings, method):
    history = make_trainer(settings(method, steps=30, retain_weight=0.0)).run()
    assert history[-1]["forget_loss"] < 0.7 * history[0]["forget_loss"]
    assert [row["step"] for row in history] == list(range(1, 31))


def test_the_retain_loss_holds_the_model_back(make_trainer, settings):
    free, held = (make_trainer(settings("rmu", steps=20, retain_weight=weight)) for weight in (0.0, 50.0))
    free.run(), held.run()
    assert moved(held) < 0.9 * moved(free)


def test_the_first_step_is_adams_by_hand(make_trainer, settings):
    trainer = make_trainer(settings("rmu", steps=1, weight_decay=0.5))
    forget, retain = (trainer.caches[corpus].batch(trainer.order[corpus][0]) for corpus in ("forget", "retain"))
    (loss, first), (_, second) = trainer.engine.forget_gradient(forget), trainer.engine.retain_gradient(retain)
    (row,) = trainer.run()
    for name, tensor in trainer.engine.weights.master.items():
        gradient = first[name] + second[name]
        expected = trainer.engine.weights.original[name] * (1 - 1e-2 * 0.5) - 1e-2 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=1e-5)
    assert row["forget_loss"] == loss and row["forget_gradient"] == pytest.approx(norm(first))


@pytest.mark.parametrize("method", ["rmu", "npo"])
def test_the_seed_decides_every_bit(make_trainer, settings, defence, method):
    row = defence("rna", noise_scale=1.0)
    one, again, other = (make_trainer(settings(method), row, seed=seed) for seed in (1, 1, 2))
    histories = [trainer.run() for trainer in (one, again, other)]
    assert histories[0] == histories[1] and same(one, again)
    assert histories[0] != histories[2] and not same(one, other)


@pytest.mark.parametrize("stopped", [1, 3])
@pytest.mark.parametrize("kind", ["rna", "gradient-noise"])
def test_a_resumed_run_continues_bit_for_bit(make_trainer, settings, defence, tmp_path, stopped, kind):
    row, path = defence(kind, noise_scale=1.0), tmp_path / "state.safetensors"
    whole, broken, resumed = (make_trainer(settings("rmu"), row) for _ in range(3))

    def stop(done):
        if done == stopped:
            broken.save(path)
            raise InterruptedError

    whole.run()
    with pytest.raises(InterruptedError):
        broken.run(stop)
    resumed.restore(path)
    assert resumed.done == stopped and len(resumed.history) == stopped
    resumed.run()
    assert resumed.history == whole.history and same(resumed, whole)
    assert not same(broken, whole)


def test_the_history_of_a_resumed_run_is_written_as_that_of_a_whole_one(make_trainer, settings, tmp_path):
    whole, broken, resumed = (make_trainer(settings("rmu"), steps=steps) for steps in (4, 2, 4))
    whole.run(), broken.run()
    broken.save(tmp_path / "state.safetensors")
    resumed.restore(tmp_path / "state.safetensors")
    resumed.run()
    assert pandas.DataFrame(resumed.history).to_csv() == pandas.DataFrame(whole.history).to_csv()


def test_a_state_saved_before_the_first_step_resumes_too(make_trainer, settings, tmp_path):
    whole, resumed = (make_trainer(settings("rmu")) for _ in range(2))
    whole.save(tmp_path / "state.safetensors")
    resumed.restore(tmp_path / "state.safetensors")
    whole.run(), resumed.run()
    assert resumed.history == whole.history and same(resumed, whole)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_parts(make_trainer, settings, value):
    trainer = make_trainer(settings("rmu", parameters={"coefficient": value, "steering": "uniform"}))
    with pytest.raises(TrainingError, match=r"'step': 1, 'forget_loss': (nan|inf).*'retain_loss'.*lower the learning"):
        trainer.run()
    assert trainer.history == [] and moved(trainer) == 0


def test_a_run_that_diverges_later_names_that_step(make_trainer, settings):
    trainer = make_trainer(settings("rmu"))

    def poison(done):
        if done == 2:
            trainer.engine.weights.master["model.layers.1.mlp.down_proj.weight"][0, 0] = math.nan
            trainer.engine.weights.publish()

    with pytest.raises(TrainingError, match="'step': 3"):
        trainer.run(poison)
    assert trainer.done == 2


def test_noise_does_not_shift_the_order_of_the_data(make_trainer, settings, defence):
    plain = make_trainer(settings("rmu"))
    plain_history = plain.run()
    for kind in ("rna", "gradient-noise"):
        noisy = make_trainer(settings("rmu"), defence(kind, noise_scale=1.0))
        history = noisy.run()
        assert all(torch.equal(noisy.order[corpus], plain.order[corpus]) for corpus in ("forget", "retain"))
        assert history[0]["forget_loss"] == plain_history[0]["forget_loss"]
        assert history[0]["retain_gradient"] != plain_history[0]["retain_gradient"]


def test_forget_and_retain_texts_are_drawn_apart(make_trainer, settings, tiny_caches):
    caches = {"forget": tiny_caches["retain"], "retain": tiny_caches["retain"]}
    order = make_trainer(settings("rmu"), caches=caches).order
    assert not torch.equal(order["forget"], order["retain"])


def test_every_step_is_reported(make_trainer, settings):
    seen = []
    make_trainer(settings("rmu", steps=3)).run(seen.append)
    assert seen == [1, 2, 3]
