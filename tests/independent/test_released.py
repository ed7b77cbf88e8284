"""`implementation: released` against an independent run of what the released code does, on texts of unequal length."""

import copy

import pytest
import torch
from independent.released import Released
from objectives import PARAMETERS, PREFERENCE, REPRESENTATION

from unlearning_robustness.engine.activation_cache import compute_activations
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.encoding import pad
from unlearning_robustness.training.unlearning import make_trainer

NAMES = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (1, 2)]
END, STEPS, SIZE, SEED = 259, 6, 3, 1
TOPICS = [
    {"retain_weight": 2.0, "tokens": 14, "retain_tokens": 11},
    {"retain_weight": 5.0, "tokens": 20, "retain_tokens": 11},
]
LOSSES = [(name, "activation") for name in REPRESENTATION] + [
    (name, loss) for name in PREFERENCE for loss in ("kl", "mse")
]
LOSSES.append(("gradient-ascent", "nll"))


def texts(count: int, seed: int) -> list[list[int]]:
    """Token ids of texts of 4 to 24 tokens."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 25, (count,), generator=random).tolist()
    return [torch.randint(0, 256, (length,), generator=random).tolist() for length in lengths]


FORGET, RETAIN, REFUSAL = [texts(18, 2), texts(9, 3)], texts(18, 4), [text[:6] for text in texts(SIZE, 5)]


def cached(model, rows: list[list[int]], topic: list[int] | None = None):
    ids, mask = pad([row[:20] for row in rows], END)
    return compute_activations(model, ids, mask, 1, 2, False, topic=None if topic is None else torch.tensor(topic))


@pytest.fixture
def both(make_model, settings, defence):
    """The change of the trained tensors in a run of the project and in one of the independent code."""

    def run(kind: str, retain: str, dtype=torch.float32, scale: float = 0.0, topics=TOPICS, forget=FORGET, **changes):
        model = make_model(dtype=dtype)
        parameters = PARAMETERS[kind] | ({"normalisation": "batch-mean"} if kind in PREFERENCE else {})
        parameters |= {"implementation": "released"} if kind == "dpo" else {}
        entry = settings(
            kind, retain_loss=retain, implementation="released", precision="pure", topics=topics, batch_size=SIZE,
            parameters=parameters, steps=STEPS, **{"learning_rate": 2e-3} | changes,
        )  # fmt: skip
        mixed = [(text, topic) for pair in zip(*forget, strict=False) for topic, text in enumerate(pair)]
        caches = {
            "forget": cached(model, *map(list, zip(*mixed, strict=True))),
            "retain": cached(model, RETAIN),
            "refusal": cached(model, REFUSAL),
        }
        row = defence("rna", noise_scale=scale) if scale else []
        trainer = make_trainer(copy.deepcopy(model), entry, row, caches, SEED)
        # Torch decomposes the operations that it counts, which in bfloat16 rounds a first step otherwise.
        trainer.engine.cost.operations_per_token = 1.0
        vectors, random = trainer.engine.units, generator(SEED, "noise")
        trainer.run()
        alone = Released(
            model, entry, forget, RETAIN, REFUSAL, NAMES, END, None if vectors is None else vectors.clone(),
            lambda shape: torch.randn(shape, generator=random), scale,
        )  # fmt: skip
        ends = trainer.engine.weights.delta(), alone.run(STEPS, SIZE)
        return [
            torch.cat([(end[name] - model.get_parameter(name)).double().flatten() for name in NAMES]) for end in ends
        ]

    return run


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Norm of the difference of two changes, relative to the second."""
    assert theirs.norm() > 0.01
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize(("kind", "retain"), LOSSES)
def test_the_weights_move_as_those_of_the_released_code(both, kind, retain):
    assert apart(*both(kind, retain)) < 0.01


@pytest.mark.parametrize(
    ("kind", "retain"),
    [("rmu", "activation"), ("adaptive-rmu", "activation"), ("rsv", "activation"), ("npo", "kl"), ("npo", "mse")],
)
def test_in_bfloat16_too(both, kind, retain):
    assert apart(*both(kind, retain, torch.bfloat16)) < 0.01


@pytest.mark.parametrize(("kind", "retain"), [("rmu", "activation"), ("npo", "kl"), ("simnpo", "mse")])
def test_under_rnas_noise(both, kind, retain):
    assert apart(*both(kind, retain, scale=0.3)) < 0.01
    plain, noisy = both(kind, retain)[0], both(kind, retain, scale=0.3)[0]
    assert apart(plain, noisy) > 0.05


@pytest.mark.parametrize("kind", ["rmu", "adaptive-rmu"])
def test_of_one_topic(both, kind):
    assert apart(*both(kind, "activation", topics=TOPICS[:1], forget=FORGET[:1])) < 0.01
