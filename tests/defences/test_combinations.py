"""Defences side by side: every row either trains a step or is refused by the configuration, in one line."""

from itertools import combinations

import pytest
import torch

from unlearning_robustness.config import ConfigError
from unlearning_robustness.config import kinds as kinds_of
from unlearning_robustness.config.compatibility import check_compatibility
from unlearning_robustness.config.parameters import complete
from unlearning_robustness.defences import DEFENCES
from unlearning_robustness.defences.gradient_noise import GradientNoise
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.training import unlearning

CHOSEN = torch.tensor([0, 2, 3])
# Settings of every kind, for tiny models.
SETTINGS = {
    "constant-shift": {"noise_scale": 1.0},
    "curvature": {"weight": 0.3, "radius": 0.5},
    "dropout": {"rate": 0.2},
    "early-stop": {"match": "none", "every": 2},
    "gradient-noise": {"noise_scale": 0.8},
    "gradient-penalty": {"weight": 0.3},
    "latent-adversarial": {"radius": 0.3},
    "latent-noise": {"noise_scale": 0.5},
    "more-steps": {"factor": 0.5},
    "randomised-smoothing": {"scale": 0.01, "draws": 2},
    "rescaled": {"match": "none"},
    "rna": {"noise_scale": 0.8},
    "sam": {"radius": 0.5},
    "sgd": {"learning_rate": 0.1},
    "stableun": {"inner_radius": 0.2, "sap_radius": 0.6, "hws_decay": 0.9},
    "weight-averaging": {"start": 1, "every": 1},
    "weight-decay": {"weight_decay": 0.1},
    "weight-noise": {"match": "none"},
}
BESIDE_GRADIENT_NOISE = [
    kind for kind in SETTINGS if kind not in ("early-stop", "rescaled", "weight-noise", "gradient-noise")
]
# They replace how many steps are taken, or the weights after the last one, and nothing of a step.
OUTSIDE_STEPS = ("more-steps", "rescaled", "weight-noise")
RETAIN_BRANCH = ["constant-shift", "dropout", "gradient-noise", "latent-noise", "rna", "stableun"]
# What leaves the retain gradient alone, so that the same draws give the same noise as without it.
ELSEWHERE = sorted(set(BESIDE_GRADIENT_NOISE) - set(RETAIN_BRANCH))


def row_of(kinds):
    return [{"id": kind, "kind": kind, "parameters": SETTINGS[kind]} for kind in kinds]


def refusal(kinds, settings):
    """Why the configuration refuses a row on RMU and on NPO+KL, or None."""
    config = {
        "defences": {
            kind: {"kind": kind, "parameters": complete(kinds_of.DEFENCES, kind, given, kind), "per_method": {}}
            for kind, given in SETTINGS.items()
        },
        "methods": {"rmu": settings("rmu"), "npo": settings("npo")},
        "probes": {},
        "study": {"cells": [{"methods": ["rmu", "npo"], "defences": [".".join(kinds)], "attacks": ["none"]}]},
    }
    try:
        check_compatibility(config)
    except ConfigError as error:
        return str(error)
    return None


def replaced_twice(kinds):
    parts = [part for kind in kinds for part in DEFENCES[kind].Facts.replaces]
    return len(parts) > len(set(parts))


def refused(kinds):
    matched = any(DEFENCES[kind].Facts.needs_matched_cell for kind in kinds)
    return matched or replaced_twice(kinds)


def test_every_kind_has_settings_here():
    assert set(SETTINGS) == set(DEFENCES)


@pytest.mark.parametrize("count", [2, 3])
def test_a_row_is_refused_where_parts_replace_the_same_and_nowhere_else(settings, count):
    for kinds in combinations(SETTINGS, count):
        message = refusal(kinds, settings)
        assert (message is not None) == refused(kinds), kinds
        if message:
            assert message.startswith(f"study.cells.0.defences: {'.'.join(kinds)!r} cannot be combined: ")
            assert len(message.splitlines()) == 1 and "take" in message
        if replaced_twice([kind for kind in kinds if kind not in OUTSIDE_STEPS]):
            with pytest.raises(ValueError, match="two defences replace the"):
                build_step(row_of(kinds))
        elif not message:
            build_step(row_of(kinds))


@pytest.mark.parametrize(("method", "among"), [("rmu", list(SETTINGS)), ("npo", RETAIN_BRANCH)])
def test_every_pair_that_is_not_refused_trains_a_step(tiny_model, tiny_caches, settings, method, among):
    for kinds in combinations(among, 2):
        if refused(kinds):
            continue
        trainer = unlearning.make_trainer(tiny_model, settings(method), row_of(kinds), tiny_caches, 1, steps=1)
        before = trainer.engine.weights.delta()
        trainer.run()
        after = trainer.engine.weights.delta()
        trainer.engine.weights.release()
        assert all(torch.isfinite(tensor).all() for tensor in after.values()), kinds
        assert any(not torch.equal(after[name], before[name]) for name in after), kinds


def size_beside(kinds, engine, caches, seed=3):
    """The norm, by tensor, of what gradient noise adds in a row."""
    sizes, perturb = {}, GradientNoise._perturb

    def watched(self, clean, again, generator):
        noisy = perturb(self, clean, again, generator)
        sizes.update({name: (noisy[name] - clean[name]).norm().item() for name in clean})
        return noisy

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GradientNoise, "_perturb", watched)
        step, random = build_step(row_of(kinds)), torch.Generator().manual_seed(seed)
        step.forget_gradient(engine, caches["forget"].batch(CHOSEN), torch.Generator().manual_seed(seed))
        step.retain_gradient(engine, caches["retain"].batch(CHOSEN), random)
    return sizes


@pytest.mark.parametrize("method", ["rmu", "npo"])
@pytest.mark.parametrize("kind", BESIDE_GRADIENT_NOISE)
def test_gradient_noise_has_the_same_size_beside_any_defence(moved_engine, tiny_caches, method, kind):
    engine = moved_engine(method)
    alone, beside = (
        size_beside(kinds, engine, tiny_caches) for kinds in (["gradient-noise"], [kind, "gradient-noise"])
    )
    for name, size in alone.items():
        assert beside[name] == pytest.approx(size, rel=1e-5 if kind in ELSEWHERE else 0.35)


def test_its_size_is_that_of_rnas_noise_where_and_how_the_other_defence_takes_the_gradient(
    moved_engine, tiny_caches, defence
):
    """By hand: dropout's mask is drawn first and used for both gradients; RNA's noise is drawn behind it."""
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    random = torch.Generator().manual_seed(3)
    kept = (torch.rand(batch.prefix.shape, generator=random) >= 0.2) / 0.8
    kept[:, 0] = 1
    noise = 0.8 * torch.randn(batch.prefix.shape, generator=random)
    counted = batch.mask.clone()
    counted[:, 0] = False

    def gradient(target):
        hidden = engine.to_read_layer(hidden=batch.prefix, attention_mask=batch.mask) * kept
        loss = engine.method.retain_weight * (hidden - target)[counted].square().mean()
        return torch.autograd.grad(loss, list(engine.weights.live.values()))

    pairs = zip(gradient(batch.reference_hidden + noise), gradient(batch.reference_hidden), strict=True)
    expected = [(noisy - clean).norm().item() for noisy, clean in pairs]
    sizes = size_beside(["dropout", "gradient-noise"], engine, tiny_caches)
    assert list(sizes.values()) == pytest.approx(expected, rel=1e-4)


SWALLOWED = {
    "stableun, inner": ("stableun", {"inner_radius": 1e-3, "hws_decay": 0.9}),
    "stableun, beside a large inner step": ("stableun", {"inner_radius": 3.0, "gpn_radius": 1e-3}),
    "stableun, all": ("stableun", {"inner_radius": 3.0, "sap_radius": 6.0, "gpn_radius": 1e-3, "hws_decay": 0.9}),
    "latent noise": ("latent-noise", {"noise_scale": 1e-5}),
    "RNA that goes on through layers": ("rna", {"noise_scale": 1e-5}),
    "a constant shift": ("constant-shift", {"noise_scale": 1e-5}),
}


@pytest.mark.parametrize("name", SWALLOWED)
@pytest.mark.parametrize("company", [(), ("weight-decay",), ("dropout", "gradient-noise")])
def test_what_bfloat16_swallows_is_refused_alone_and_in_company(make_model, make_caches, settings, name, company):
    model, (kind, parameters) = make_model(dtype=torch.bfloat16), SWALLOWED[name]
    row = [{"kind": kind, "parameters": parameters}, *row_of(company)]
    trainer = unlearning.make_trainer(model, settings("npo"), row, make_caches(model), 1)
    with pytest.raises(TrainingError, match=r"^step 1: a perturbation of norm .* after rounding .* float32"):
        trainer.run()


def test_a_target_that_stays_float32_takes_any_noise(make_model, make_caches, settings):
    model = make_model(dtype=torch.bfloat16)
    row = [{"kind": "rna", "parameters": {"noise_scale": 1e-5}}]
    unlearning.make_trainer(model, settings("rmu"), row, make_caches(model), 1, steps=1).run()
