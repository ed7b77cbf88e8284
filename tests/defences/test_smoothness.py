"""SAM, smoothing, gradient penalty, curvature: each term has the right gradient, and the weights come back."""

import pytest
import torch

from unlearning_robustness.defences.perturbation import add_scaled, forget_gradient_at, gaussian, rescaled
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.weights import norm
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.training import unlearning

CHOSEN = torch.tensor([0, 2, 3])
ROWS = {
    "sam": {"radius": 0.5},
    "randomised-smoothing": {"scale": 0.01, "draws": 3},
    "gradient-penalty": {"weight": 0.3},
    "curvature": {"weight": 0.3, "radius": 0.5},
    "stableun": {"inner_radius": 0.2, "sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 1.0, "hws_decay": 0.9},
    "latent-adversarial": {"radius": 0.3},
}
# Perturbations far below what bfloat16 weights of these tiny models can hold.
SMALL = {
    "sam": {"radius": 1e-3},
    "randomised-smoothing": {"scale": 1e-6},
    "curvature": {"weight": 0.3, "radius": 1e-3},
    "stableun": {"inner_radius": 1e-3},
}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def forget(engine, caches, step, seed=0):
    return step.forget_gradient(engine, caches["forget"].batch(CHOSEN), random(seed))


def close(one, other, rtol=1e-4, atol=1e-6):
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=rtol, atol=atol)


@pytest.fixture
def at_rest(make_model, make_caches, settings):
    """Builds an engine, with activation caches, whose weights have left the reference, in either number type."""

    def make(method, dtype):
        model = make_model(dtype=dtype)
        caches = make_caches(model)
        engine = unlearning.make_trainer(model, settings(method), [], caches, 1).engine
        for tensor in engine.weights.master.values():
            tensor += 0.1 * torch.randn(tensor.shape, generator=random(5))
        engine.weights.publish()
        return engine, caches

    return make


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", ["rmu", "npo"])
@pytest.mark.parametrize("kind", list(ROWS))
def test_the_weights_come_back_bit_for_bit(at_rest, defence, kind, method, dtype):
    engine, caches = at_rest(method, dtype)
    model = {name: tensor.detach().clone() for name, tensor in engine.model.named_parameters()}
    masters = {name: tensor.clone() for name, tensor in engine.weights.master.items()}
    step = build_step(defence(kind, **ROWS[kind]))
    for _ in range(2):
        forget(engine, caches, step)
        step.retain_gradient(engine, caches["retain"].batch(CHOSEN), random())
    assert all(torch.equal(tensor, model[name]) for name, tensor in engine.model.named_parameters())
    assert all(torch.equal(tensor, masters[name]) for name, tensor in engine.weights.master.items())


@pytest.mark.parametrize("kind", list(SMALL))
def test_in_bfloat16_every_perturbation_has_its_norm_or_is_refused(at_rest, defence, kind):
    engine, caches = at_rest("npo", torch.bfloat16)
    publish, sizes = engine.weights.publish, []

    def watch(values=None):
        publish(values)
        if values is not None:
            rounded = {name: tensor.bfloat16().float() for name, tensor in engine.weights.master.items()}
            wanted = {name: values[name] - tensor for name, tensor in engine.weights.master.items()}
            there = {name: engine.weights.live[name].detach().float() - rounded[name] for name in rounded}
            sizes.append((norm(wanted), norm(there)))

    engine.weights.publish = watch
    forget(engine, caches, build_step(defence(kind, **ROWS[kind])))
    assert sizes and all(realised == pytest.approx(wanted, rel=0.05) for wanted, realised in sizes)
    if "radius" in ROWS[kind]:
        assert all(wanted == pytest.approx(ROWS[kind]["radius"], rel=1e-3) for wanted, _ in sizes)
    with pytest.raises(TrainingError, match=r"after rounding.*float32"):
        forget(engine, caches, build_step(defence(kind, **SMALL[kind])))


@pytest.mark.parametrize("kind", ["gradient-penalty", "curvature"])
def test_a_gradient_of_a_gradient_is_the_same_where_attention_is_fused(
    moved_engine, tiny_caches, defence, kind, request
):
    engine, step = moved_engine("npo"), build_step(defence(kind, **ROWS[kind]))
    _, expected = forget(engine, tiny_caches, step)
    request.getfixturevalue("fused_attention")
    with pytest.raises(RuntimeError, match=r"derivative for .*flash_attention.* is not implemented"):
        second_gradient(engine, tiny_caches)
    close(forget(engine, tiny_caches, step)[1], expected)


def second_gradient(engine, caches):
    """The gradient of a squared gradient, by the kernel that the engine's loss runs by."""
    loss = engine.forget_loss(caches["forget"].batch(CHOSEN))
    (gradient, *_) = torch.autograd.grad(loss, list(engine.weights.live.values()), create_graph=True)
    return torch.autograd.grad(gradient.square().sum(), list(engine.weights.live.values()))


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_flat_forget_loss_perturbs_nothing_and_breaks_nothing(moved_engine, tiny_caches, defence, kind):
    engine = moved_engine("npo")
    steep = engine.forget_loss
    engine.forget_loss = lambda batch, **disturbed: 3.0 + 0.0 * steep(batch, **disturbed)
    loss, gradient = forget(engine, tiny_caches, build_step(defence(kind, **ROWS[kind])))
    assert loss == 3.0 and norm(gradient) == 0


@pytest.mark.parametrize("kind", list(ROWS))
def test_what_is_not_finite_stops_the_run_with_its_step_and_parts(make_trainer, settings, defence, kind):
    trainer = make_trainer(settings("npo"), defence(kind, **ROWS[kind]))

    def poison(done):
        trainer.engine.weights.master["model.layers.1.mlp.down_proj.weight"][0, 0] = float("nan")
        trainer.engine.weights.publish()

    with pytest.raises(TrainingError, match=r"'step': 2, 'forget_loss': nan.*'forget_gradient': nan"):
        trainer.run(poison)
    assert trainer.done == 1


def test_a_refused_perturbation_names_its_step(make_model, make_caches, settings, defence):
    model = make_model(dtype=torch.bfloat16)
    row = defence("sam", **SMALL["sam"])
    trainer = unlearning.make_trainer(model, settings("npo"), row, make_caches(model), 1)
    with pytest.raises(TrainingError, match=r"^step 1: a perturbation of norm 0\.001 is "):
        trainer.run()


@pytest.mark.parametrize(
    ("kind", "off"),
    [
        ("sam", {"radius": 0.0}),
        ("randomised-smoothing", {"scale": 0.0}),
        ("gradient-penalty", {"weight": 0.0}),
        ("curvature", {"weight": 0.0, "radius": 0.5}),
        ("curvature", {"weight": 0.3, "radius": 0.0}),
    ],
)
def test_without_strength_each_is_plain_forgetting(moved_engine, tiny_caches, defence, kind, off):
    engine = moved_engine("npo")
    plain = engine.forget_gradient(tiny_caches["forget"].batch(CHOSEN))
    loss, gradient = forget(engine, tiny_caches, build_step(defence(kind, **off)))
    assert loss == pytest.approx(plain[0], rel=1e-6)
    close(gradient, plain[1])
    _, strong = forget(engine, tiny_caches, build_step(defence(kind, **ROWS[kind])))
    assert any((strong[name] - tensor).norm() > 1e-3 * tensor.norm() for name, tensor in plain[1].items())


def test_a_perturbation_keeps_its_norm_or_is_refused(make_model, make_trainer, settings, tiny_caches):
    engine = make_trainer(settings("rmu")).engine
    engine.model.bfloat16()
    batch = tiny_caches["forget"].batch(CHOSEN)
    object.__setattr__(batch, "prefix", batch.prefix.bfloat16())
    direction = gaussian(engine.weights.master, 1.0, random())
    forget_gradient_at(engine, batch, add_scaled(engine.weights.master, rescaled(direction, 5.0)))
    with pytest.raises(TrainingError, match=r"after rounding.*float32"):
        forget_gradient_at(engine, batch, add_scaled(engine.weights.master, rescaled(direction, 1e-3)))


def test_a_direction_without_length_moves_nothing():
    still = {"a": torch.zeros(3), "b": torch.zeros(2)}
    assert norm(rescaled(still, 2.0)) == 0
    assert norm(rescaled({"a": torch.ones(3), "b": torch.ones(1)}, 2.0)) == pytest.approx(2.0)
