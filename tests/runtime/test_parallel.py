"""Two processes over gloo give the single process's result, for every kind of loss and defence."""

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from objectives import PREFERENCE
from safetensors.torch import load_file

from unlearning_robustness.config.parameters import complete, registered
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.engine.activation_cache import save_caches
from unlearning_robustness.engine.weights import norm
from unlearning_robustness.runtime import launcher, parallel

SCRIPT = Path(__file__).parents[1] / "together.py"
SGD = ("sgd", {"learning_rate": 0.05})
BATCH_MEAN = {"parameters": {"beta": 0.5, "normalisation": "batch-mean"}}
SHARDED = {"trained": "full", "parallel": {"processes": 2, "sharded": True}}
# Name: forget loss, changes of the method, parts of the defence.
CASES = {
    "rmu": ("rmu", {}, [("rna", {"noise_scale": 1.0})]),
    "rmu-released": ("rmu", {"implementation": "released"}, [SGD, ("dropout", {"rate": 0.3})]),
    "adaptive-released": ("adaptive-rmu", {"implementation": "released", "batch_size": 5}, [SGD]),
    "npo-released": ("npo", {"implementation": "released", "batch_size": 5}, [SGD]),
    "adaptive": ("adaptive-rmu", {"batch_size": 5}, [SGD, ("latent-noise", {"noise_scale": 0.5})]),
    "npo": ("npo", {}, [SGD, ("rna", {"noise_scale": 1.0})]),
    "npo-batch-mean": ("npo", {**BATCH_MEAN, "retain_loss": "mse"}, [SGD]),
    "ascent": ("gradient-ascent", {"retain_loss": "nll"}, [SGD]),
    "dpo": ("dpo", {"batch_size": 5}, [SGD]),
    "gradient-noise": ("rmu", {}, [SGD, ("gradient-noise", {"noise_scale": 1.0})]),
    "gradient-penalty": ("npo", BATCH_MEAN, [SGD, ("gradient-penalty", {"weight": 0.5})]),
    "curvature": ("simnpo", {}, [SGD, ("curvature", {"weight": 0.5, "radius": 0.3})]),
    "latent-adversarial": ("npo", {}, [SGD, ("latent-adversarial", {"radius": 0.5})]),
    "stableun": ("npo", {}, [SGD, ("stableun", {"inner_radius": 0.2, "gpn_radius": 0.3, "sap_radius": 0.5})]),
    "checkpointing": ("npo", {"gradient_checkpointing": True}, [SGD]),
    "shift": ("rsv", {}, [SGD, ("constant-shift", {"noise_scale": 1.0})]),
    "smoothing": ("rab", {"weight_decay": 0.1}, [SGD, ("randomised-smoothing", {"scale": 0.05, "draws": 2})]),
    "sam": ("npo", {}, [("sam", {"radius": 0.5}), ("weight-decay", {"weight_decay": 0.1})]),
    "averaging": ("npo", {}, [SGD, ("weight-averaging", {"start": 1, "every": 1}), ("more-steps", {"factor": 2.0})]),
    "lora": ("rmu", {"trained": "lora", "lora": {"rank": 2, "alpha": 4.0, "targets": ["up_proj"]}}, [SGD]),
    "sharded": ("rmu", SHARDED, [("rna", {"noise_scale": 1.0})]),
    "sharded-npo": ("npo", {**SHARDED, "gradient_checkpointing": True}, [SGD, ("rna", {"noise_scale": 1.0})]),
}
BROKEN = {"sharded-broken": ("sharded", 2), "stochastic-broken": ("stochastic", 1)}
LOW = {"stochastic": ("rmu", {"precision": "stochastic"}, [("rna", {"noise_scale": 1.0})])}


@pytest.fixture(scope="module")
def cases(settings):
    def case(forget_loss, changes, parts):
        row = [{"kind": kind, "parameters": complete("defences.DEFENCES", kind, given, kind)} for kind, given in parts]
        return {"settings": settings(forget_loss, steps=3, **changes), "row": row}

    made = {name: case(*described) for name, described in CASES.items()}
    made |= {name: case(*described) | {"dtype": "bfloat16"} for name, described in LOW.items()}
    return made | {name: made[like] | {"broken": step} for name, (like, step) in BROKEN.items()}


@pytest.fixture(scope="module")
def models(make_model, make_caches):
    pairs = {}
    for dtype in (torch.float32, torch.bfloat16):
        model = make_model(dtype=dtype)
        pairs[str(dtype).removeprefix("torch.")] = (model, make_caches(model))
    return pairs


def start(folder, models, **described):
    model, _ = models["float32"]
    model.save_pretrained(folder)
    write_manifest(folder, {"note": "tiny"})
    for dtype, (_, caches) in models.items():
        save_caches(folder / f"caches-{dtype}", caches)
    (folder / "cases.json").write_text(json.dumps(described))
    return subprocess.run(
        [*launcher.command(2, SCRIPT), str(folder)], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def together(cases, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    result = start(folder, models, processes=2, cases=cases)
    assert result.returncode == 0, result.stderr[-4000:]
    assert result.stdout.count("2 processes train together") == 2
    return folder / "made"


@pytest.fixture(scope="module")
def alone(cases, models):
    """What one process makes of a case."""
    from unlearning_robustness.training.unlearning import make_trainer

    def train(name):
        case = copy.deepcopy(cases[name])
        case["settings"]["parallel"] = {"processes": 1, "sharded": False}
        model, caches = models[case.get("dtype", "float32")]
        trainer = make_trainer(copy.deepcopy(model), case["settings"], case["row"], caches, 1)
        trainer.run()
        return trainer

    return train


def apart(tensors, trainer):
    """How far two results lie apart, as a share of what training changed."""
    weights = trainer.engine.weights
    mine = weights.delta()
    assert mine.keys() == tensors.keys()
    return norm({name: tensors[name].float() - mine[name].float() for name in mine}) / weights.change(mine)


@pytest.mark.parametrize("name", list(CASES))
def test_two_processes_give_the_single_process_s_result(together, alone, name):
    trainer = alone(name)
    told = json.loads((together / f"{name}.json").read_text())
    assert apart(load_file(together / f"{name}.safetensors"), trainer) < 1e-4
    assert told["change"] == pytest.approx(trainer.engine.weights.change(trainer.engine.weights.delta()), rel=1e-4)
    for mine, theirs in zip(trainer.history, told["history"], strict=True):
        for key in set(mine) - {"operations", "tokens"}:
            assert theirs[key] == pytest.approx(mine[key], rel=2e-4, abs=1e-6), key
        # The refusals are few, and read by each process.
        assert theirs["tokens"] == mine["tokens"] or name == "dpo"


def test_every_loss_and_defence_is_among_them():
    """One that takes a mean over its own rows, or draws for them alone, would show there."""
    losses = {loss for loss, _, _ in CASES.values()}
    retain = {
        changes.get("retain_loss", "kl" if loss in PREFERENCE else "activation") for loss, changes, _ in CASES.values()
    }
    defences = {kind for *_, parts in CASES.values() for kind, _ in parts}
    assert losses == set(registered("methods.FORGET_LOSSES")) and retain == set(registered("methods.RETAIN_LOSSES"))
    # These take no step of their own.
    assert defences == set(registered("defences.DEFENCES")) - {"early-stop", "rescaled", "weight-noise"}


def test_with_the_mean_of_the_shares_losses_the_result_would_be_another(models, cases):
    """The shares differ in size and in tokens, so the test above can fail."""
    from unlearning_robustness.training.unlearning import make_trainer

    case = cases["rmu"]
    model, caches = models["float32"]
    trainer = make_trainer(copy.deepcopy(model), case["settings"], [], caches, 1)
    batch = trainer._batch("forget", 0)
    whole, *parts = (
        trainer.engine.forget_loss(batch.rows(chosen)).item() for chosen in (slice(0, 3), slice(0, 1), slice(1, 3))
    )
    assert abs(sum(parts) / 2 / whole - 1) > 1e-2


def test_sharded_processes_hold_half_of_the_masters_each(together, alone):
    for name, share in (("sharded", 2), ("rmu", 1)):
        every = sum(tensor.numel() for tensor in alone(name).engine.weights.master.values())
        assert json.loads((together / f"{name}.json").read_text())["held"] == every / share


@pytest.mark.parametrize("name", list(BROKEN))
def test_processes_continue_from_a_saved_state_bit_for_bit(together, name):
    like, _ = BROKEN[name]
    one, other = (load_file(together / f"{each}.safetensors") for each in (name, like))
    assert all(torch.equal(one[key], other[key]) for key in one) and one.keys() == other.keys()


def test_a_failing_process_fails_the_job(models, tmp_path):
    result = start(tmp_path, models, processes=2, cases={}, fails=1)
    assert result.returncode != 0 and "ValueError: planned" in result.stderr


def test_the_number_of_processes_is_asserted(models, tmp_path):
    result = start(tmp_path, models, processes=3, cases={})
    assert result.returncode != 0 and "3 processes were requested, and 2 have met" in result.stderr
    with pytest.raises(RuntimeError, match="2 processes were requested, and no launcher started this one"):
        parallel.join(2, "cpu")


def test_a_single_process_has_every_row_and_leaves_everything_as_it_is():
    random, again = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    values = torch.arange(6.0)
    assert parallel.join(1, "cpu") == "cpu" and parallel.size() == 1 and parallel.rows(5) == slice(0, 5)
    assert parallel.total(values) is values and parallel.mean(values) is values and parallel.count(3) == 3
    assert list(parallel.broadcast(iter("abc"))) == ["a", "b", "c"]
    assert torch.equal(
        parallel.sample_local_rows(torch.randn, (2, 3), random, "cpu"), torch.randn(2, 3, generator=again)
    )


@pytest.mark.parametrize(("whole", "processes"), [(4, 2), (5, 2), (7, 3), (3, 3)])
def test_shares_cover_the_batch_and_differ_by_one_row_at_most(monkeypatch, whole, processes):
    monkeypatch.setattr(parallel, "size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        shares.append(list(range(whole))[parallel.rows(whole)])
    assert [row for share in shares for row in share] == list(range(whole))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
