"""Weight decay and SGD: what they do to the trained tensors."""

import torch

from unlearning_robustness.defences.row import build_step


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


def test_sgd_resumes_bit_for_bit(make_trainer, settings, defence, tmp_path):
    row = defence("sgd", learning_rate=0.1)
    whole = make_trainer(settings("rmu"), row)
    whole.run(lambda done: whole.save(tmp_path / "state") if done == 2 else None)
    rest = make_trainer(settings("rmu"), row)
    rest.restore(tmp_path / "state")
    rest.run()
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))


def test_they_compose_with_noise(defence):
    step = build_step(defence("rna", noise_scale=1.0) + defence("weight-decay", weight_decay=0.1))
    assert set(step.replaced) == {"reference_noise", "optimiser"}
