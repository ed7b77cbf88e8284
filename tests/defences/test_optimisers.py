"""Weight decay and SGD: what they do to the trained tensors."""

import pytest
import torch

from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.weights import norm


def one_step(make_trainer, settings, row=(), **changes):
    trainer = make_trainer(settings("rmu", steps=1), row, **changes)
    before = [tensor.clone() for tensor in trainer.master]
    trainer.run()
    return before, trainer.master, [tensor.grad for tensor in trainer.master]


def test_weight_decay_shrinks_every_weight_by_rate_times_decay_besides_the_step(make_trainer, settings, defence):
    before, plain, _ = one_step(make_trainer, settings)
    _, decayed, _ = one_step(make_trainer, settings, defence("weight-decay", weight_decay=0.5))
    for start, without, with_decay in zip(before, plain, decayed, strict=True):
        torch.testing.assert_close(with_decay, without - 1e-2 * 0.5 * start, atol=1e-6, rtol=1e-5)


def test_no_decay_is_plain_unlearning(make_trainer, settings, defence):
    _, plain, _ = one_step(make_trainer, settings)
    _, decayed, _ = one_step(make_trainer, settings, defence("weight-decay", weight_decay=0.0))
    assert all(torch.equal(one, other) for one, other in zip(plain, decayed, strict=True))


def test_sgd_moves_by_the_gradient_itself_at_its_own_rate(make_trainer, settings, defence):
    before, after, gradients = one_step(make_trainer, settings, defence("sgd", learning_rate=0.3))
    for start, end, gradient in zip(before, after, gradients, strict=True):
        torch.testing.assert_close(end, start - 0.3 * gradient, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("row", [[], [{"kind": "rna", "parameters": {"noise_scale": 3.0}}]])
def test_in_steps_the_forget_gradient_alone_moves_as_far_as_adamw_does_at_first(make_trainer, settings, defence, row):
    """Noise in the retain gradient changes no rate: it must not shorten forget steps."""
    trainer = make_trainer(settings("rmu", steps=3), row + defence("sgd", learning_rate=2.0, unit="step"))
    plain = make_trainer(settings("rmu", steps=1))
    (first,), start = plain.run(), trainer.engine.weights.original
    adamw = norm({name: tensor - start[name] for name, tensor in plain.engine.weights.master.items()})
    trainer.run()
    (rate,) = {group["lr"] for group in trainer.optimiser.param_groups}
    assert rate * first["forget_gradient"] == pytest.approx(2.0 * 1e-2 * (2 * 32 * 64) ** 0.5, rel=1e-5)
    assert rate * first["forget_gradient"] == pytest.approx(2.0 * adamw, rel=0.02)


@pytest.mark.parametrize("unit", ["absolute", "step"])
def test_sgd_resumes_bit_for_bit(make_trainer, settings, defence, tmp_path, unit):
    row = defence("sgd", learning_rate=0.1, unit=unit)
    whole = make_trainer(settings("rmu"), row)
    whole.run(lambda done: whole.save(tmp_path / "state") if done == 2 else None)
    rest = make_trainer(settings("rmu"), row)
    rest.restore(tmp_path / "state")
    rest.run()
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))


def test_they_compose_with_noise(defence):
    step = build_step(defence("rna", noise_scale=1.0) + defence("weight-decay", weight_decay=0.1))
    assert set(step.replaced) == {"reference_noise", "optimiser"}
