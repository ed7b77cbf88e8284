"""The project's whole training loop against runs that read one text at a time, unpadded, through the whole model."""

import copy

import pytest
import torch
from independent import neighbourhoods
from independent.corrected import Corrected
from independent.optimisers import adamw, sgd
from objectives import OBJECTIVES

from unlearning_robustness.engine.activation_cache import compute_activations
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.encoding import pad
from unlearning_robustness.training.unlearning import make_trainer

NAMES = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (1, 2)]
STEPS, SIZE, SEED, RATE = 4, 3, 1, 0.05
# Float32 weights round every step, which shows where steps are small.
RATES = {"simnpo": 0.5, "rab": 0.2}
LOSSES = [*OBJECTIVES, ("gradient-ascent", "nll")]
# A defence of the project, and the independent one of the same name and settings.
DEFENCES = {
    "sam": ({"radius": 0.5}, neighbourhoods.sam),
    "randomised-smoothing": ({"scale": 0.02, "draws": 3}, neighbourhoods.smoothing),
    "gradient-penalty": ({"weight": 0.3}, neighbourhoods.gradient_penalty),
    "curvature": ({"weight": 0.3, "radius": 0.5}, neighbourhoods.curvature),
}
STABLEUN = {
    "inner step alone": {},
    "SAP": {"sap_radius": 0.6},
    "GPN": {"gpn_radius": 0.5},
    "GAP": {"gap_rate": 0.1},
    "HWS": {"hws_decay": 0.6},
    "all, always projected": {
        "sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 0.1, "hws_decay": 0.6, "projection": "unconditional",
    },
    "never projected": {"sap_radius": 0.6, "projection": "none"},
}  # fmt: skip


def texts(count: int, seed: int) -> list[list[int]]:
    """Token ids of texts of 4 to 16 tokens."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 17, (count,), generator=random).tolist()
    return [torch.randint(0, 256, (length,), generator=random).tolist() for length in lengths]


TEXTS = {"forget": texts(7, 2), "retain": texts(8, 3), "refusal": texts(2, 4)}


@pytest.fixture
def both(make_model, settings):
    """Builds a trainer of the project, and the independent run of the same method on the same texts."""

    def make(kind: str, retain: str, row=(), **changes):
        model = make_model()
        entry = settings(kind, retain_loss=retain, steps=STEPS, **changes)
        first = min(entry["layers"])
        caches = {name: compute_activations(model, *pad(rows), first, 2, True) for name, rows in TEXTS.items()}
        trainer = make_trainer(copy.deepcopy(model), entry, list(row), caches, SEED)
        loss = trainer.engine.method.forget_loss
        vector = loss.direction(model.config.hidden_size, generator(SEED, "steering"))
        alone = Corrected(model, entry, TEXTS, list(trainer.engine.weights.live), vector)
        if kind == "adaptive-rmu":
            alone.follow(trainer.order["forget"][0].tolist())
        return trainer, alone

    return make


def apart(trainer, alone: Corrected, path: list[dict]) -> float:
    """How far the trained tensors ended apart, relative to how far they went."""
    off = [trainer.engine.weights.live[name].detach().double() - end for name, end in path[-1].items()]
    gone = [end - alone.start[name] for name, end in path[-1].items()]
    size = torch.cat([each.flatten() for each in gone]).norm()
    assert size > 0.01
    return (torch.cat([each.flatten() for each in off]).norm() / size).item()


def perturbation() -> torch.Generator:
    return generator(SEED, "perturbation")


@pytest.mark.parametrize(("kind", "retain"), LOSSES)
def test_every_objective_moves_the_weights_alike(both, defence, kind, retain):
    rate = RATES.get(kind, RATE)
    trainer, alone = both(kind, retain, defence("sgd", learning_rate=rate))
    trainer.run()
    path = alone.run(trainer.order, optimiser=sgd, rates=[rate] * STEPS)
    assert apart(trainer, alone, path) < 1e-5


@pytest.mark.parametrize("kind", list(DEFENCES))
@pytest.mark.parametrize("method", [("rmu", "activation"), ("npo", "kl")])
def test_every_smoothness_defence_does(both, defence, method, kind):
    parameters, alike = DEFENCES[kind]
    trainer, alone = both(*method, defence(kind, **parameters) + defence("sgd", learning_rate=RATE))
    trainer.run()
    path = alone.run(trainer.order, alike, sgd, [RATE] * STEPS, random=perturbation(), **parameters)
    assert apart(trainer, alone, path) < 1e-5


@pytest.mark.parametrize("kind", list(STABLEUN))
def test_stableun_does(both, defence, kind):
    parameters = {"inner_radius": 0.2, **STABLEUN[kind]}
    trainer, alone = both("npo", "kl", defence("stableun", **parameters) + defence("sgd", learning_rate=RATE))
    trainer.run()
    path = alone.run(
        trainer.order, neighbourhoods.stableun, sgd, [RATE] * STEPS, memory={}, random=perturbation(), **parameters
    )
    assert apart(trainer, alone, path) < 1e-5


@pytest.mark.parametrize(("kind", "retain"), [("rmu", "activation"), ("npo", "kl"), ("npo", "mse")])
def test_rnas_noise_on_the_reference_does(both, defence, kind, retain):
    row = defence("rna", noise_scale=0.5) + defence("sgd", learning_rate=RATE)
    trainer, alone = both(kind, retain, row)
    random = generator(SEED, "noise")
    alone.noise = lambda like: 0.5 * torch.randn(like.shape, generator=random).double()
    trainer.run()
    assert apart(trainer, alone, alone.run(trainer.order, optimiser=sgd, rates=[RATE] * STEPS)) < 1e-5


def test_weight_averaging_ends_at_the_mean_of_the_path(both, defence):
    row = defence("weight-averaging", start=2, every=2) + defence("sgd", learning_rate=RATE)
    trainer, alone = both("npo", "kl", row)
    trainer.run()
    path = alone.run(trainer.order, optimiser=sgd, rates=[RATE] * STEPS)
    assert apart(trainer, alone, [neighbourhoods.average(path, 2, 2)]) < 1e-5


# Where a gradient is about 0, AdamW makes a whole step of what float32 rounds there.
@pytest.mark.parametrize(("kind", "retain"), [("rmu", "activation"), ("npo", "kl")])
def test_adamw_does_up_to_float32(both, kind, retain):
    trainer, alone = both(kind, retain, weight_decay=0.1)
    trainer.run()
    path = alone.run(trainer.order, optimiser=lambda *step: adamw(*step, decay=0.1))
    assert apart(trainer, alone, path) < 1e-3


def test_every_tensor_with_warm_up_decay_and_clipping_does(both, defence):
    changes = {"trained": "all", "layers": [0, 1, 2, 3], "warm_up": 2, "decay": "linear", "clipping": 0.5}
    trainer, alone = both("npo", "nll", defence("sgd", learning_rate=8 * RATE), **changes)
    assert {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"} < set(alone.names)
    history = trainer.run()
    assert min(row["forget_gradient"] for row in history) > 0.5
    path = alone.run(trainer.order, optimiser=sgd, rates=[0.0, 4 * RATE, 8 * RATE, 4 * RATE], clipping=0.5)
    assert apart(trainer, alone, path) < 1e-5
