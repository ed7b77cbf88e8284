"""What holds for every attack: no budget is no attack, the model comes back, controls and odd models are no trap."""

from dataclasses import replace

import numpy
import pandas
import pytest
import torch
from planted import CORPORA, known, questions, reference_of, state, steered, unharmed
from torch.nn.modules import module as hooks_of_all

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.orthogonalise import NOTHING
from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.config.kinds import ATTACKS as KINDS
from unlearning_robustness.config.kinds import facts_of
from unlearning_robustness.defences.weight_noise import disturbed
from unlearning_robustness.models.architecture import ArchitectureError
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

CELL = Cell("tiny", "letters", "steering", "none", 0)
RELEARN = {"documents": [2], "steps": [0, 2], "learning_rate": 1e-2, "batch_size": 2, "tokens": 12}
GCG = {"inserted_tokens": 3, "questions": 2, "steps": [0, 2], "candidates": 6, "top_k": 4, "held_out": 4}
PRUNE = {"score": "snip", "fractions": [0.05, 0.1], "texts": 2, "tokens": 12, "utility_bound": 1.0}
INPUT = {"steps": [0, 2], "learning_rate": 0.1, "batch_size": 2, "utility_bound": 1.0}
SETTINGS = {
    "characters": [{"every": [0, 2], "characters": "!", "utility_bound": 1.0}],
    "embedding": [{"radius": 0.5, **INPUT}],
    "few-shot": [{"shots": [0, 2]}, {"shots": [2], "relations": "same", "answers": "wrong"}],
    "gcg": [GCG, {**GCG, "match": "representation", "layer": 2, "fluency": 0.1, "place": "after"}],
    "logit-lens": [{"streams": "all"}],
    "orthogonalise": [{"utility_bound": 1.0, "screen": 2}],
    "paraphrase": [{"utility_bound": 1.0}],
    "prefill": [{"utility_bound": 1.0}],
    "prune": [PRUNE, {**PRUNE, "score": "wanda"}],
    "quantise": [{"bits": [0, 3], "group_size": 16}],
    "relearn": [RELEARN, {**RELEARN, "trained": "full"}, {**RELEARN, "trained": "lora", "rank": 2}],
    "soft-prompt": [{"vectors": 3, **INPUT}, {"vectors": 2, **INPUT, "entity": "another"}],
    "weight-noise": [{"scales": [0.0, 0.3]}],
}
EACH = pytest.mark.parametrize(
    ("kind", "parameters"), [(kind, entry) for kind, entries in SETTINGS.items() for entry in entries]
)
# Budgets of nothing; what has no number to set to nothing begins with the plain question, or is told what to read.
NONE = {
    "characters": {"every": [0], "utility_bound": 1.0},
    "embedding": {"radius": 0.5, **INPUT, "steps": [0]},
    "few-shot": {"shots": [0]},
    "gcg": {**GCG, "steps": [0]},
    "logit-lens": {"layers": [3]},
    "paraphrase": {"utility_bound": 1.0},
    "prefill": {"utility_bound": 1.0},
    "prune": {**PRUNE, "fractions": [0.0]},
    "quantise": {"bits": [0], "group_size": 16},
    "relearn": {**RELEARN, "documents": [0, 2], "steps": [0]},
    "soft-prompt": {"vectors": 3, **INPUT, "steps": [0]},
    "weight-noise": {"scales": [0.0]},
}
FREE = ["embedding", "few-shot", "gcg", "prune", "quantise", "relearn", "soft-prompt", "weight-noise"]


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(mlp_bias=True)


@pytest.fixture(scope="module")
def asked(model, tiny_tokenizer):
    table = known(model, tiny_tokenizer, questions(forget=60, retain=18))
    shown = (table["role"] == "forget") & (table["split"] == "test") & (table.index % 5 == 0)
    return table.assign(split=table["split"].mask(shown, "relearn"))


def run(model, tokenizer, asked, kind, parameters, delta, seed=0):
    entry, cell = {"kind": kind, "roles": ["forget", "retain"], "parameters": parameters}, replace(CELL, seed=seed)
    with applied(model, delta) as before:
        return attack_cell(model, tokenizer, cell, kind, entry, asked, CORPORA, 32, lambda: applied(model, before))


def unattacked(model, tokenizer, asked):
    return QuestionScorer(tokenizer, asked[asked["split"] == "test"], 32).log_likelihoods(model).numpy()


def flags(model):
    """What a model has besides its weights."""
    return [(name, module.training) for name, module in model.named_modules()], dict(model.named_buffers())


def test_every_attack_is_here():
    # Orthogonalisation has no number to set to nothing: without a difference to the reference it does nothing.
    assert set(SETTINGS) == set(ATTACKS) == {*NONE, "orthogonalise"}


@pytest.mark.parametrize("kind", sorted(ATTACKS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_budget_is_no_attack_bit_for_bit(make_model, tiny_tokenizer, asked, kind, dtype):
    model = make_model(mlp_bias=True, dtype=dtype)
    parts, cost = run(model, tiny_tokenizer, asked, kind, NONE.get(kind, SETTINGS[kind][0]), {})
    plain = unattacked(model, tiny_tokenizer, asked)
    found = parts[:1] if kind in ("paraphrase", "prefill") else parts
    assert found and all(numpy.array_equal(numpy.stack(part["log_likelihoods"]), plain) for part in found)
    assert kind not in FREE or (cost["operations"], cost["forwards"]) == (0, 0)


@EACH
def test_an_attack_does_something_and_gives_the_model_back(model, tiny_tokenizer, asked, kind, parameters):
    delta, before, kept = steered(model, 1, 20.0), state(model), flags(model)
    parts, cost = run(model, tiny_tokenizer, asked, kind, parameters, delta)
    assert unharmed(model, before) and not hooks_of_all._global_forward_hooks
    modes, buffers = flags(model)
    assert modes == kept[0] and all(torch.equal(tensor, kept[1][name]) for name, tensor in buffers.items())
    with applied(model, delta):
        plain = unattacked(model, tiny_tokenizer, asked)
    found = [numpy.stack(part["log_likelihoods"]) for part in parts]
    # What chooses may choose nothing.
    chosen = any(word in str(parts[-1]["setting"].iloc[0]) for word in ("plain", "nothing", "layer 3"))
    assert chosen or not numpy.array_equal(found[-1], plain)
    assert len(cost["points"]) == len(parts) and cost["attack_seconds"] > 0


@pytest.mark.parametrize("kind", [kind for kind in SETTINGS if not facts_of(KINDS, kind).draws])
def test_an_attack_that_draws_nothing_is_the_same_under_every_seed(model, tiny_tokenizer, asked, kind):
    delta = steered(model, 1, 20.0)
    one, other = (run(model, tiny_tokenizer, asked, kind, SETTINGS[kind][0], delta, seed)[0] for seed in (0, 1))
    assert len(one) == len(other) > 0
    for before, after in zip(one, other, strict=True):
        assert set(after["seed"]) == {1}
        pandas.testing.assert_frame_equal(before, after.assign(seed=0))


@EACH
def test_an_abandoned_attack_gives_the_model_back(model, tiny_tokenizer, asked, kind, parameters, monkeypatch):
    """Scoring fails at the attack's last point."""
    before, points = state(model), len(run(model, tiny_tokenizer, asked, kind, parameters, {})[0])
    answered, calls = QuestionScorer.answered, []

    def failing(scorer, scores):
        calls.append(1)
        if len(calls) == points:
            raise RuntimeError("scoring")
        return answered(scorer, scores)

    monkeypatch.setattr(QuestionScorer, "answered", failing)
    with pytest.raises(RuntimeError, match="scoring"):
        run(model, tiny_tokenizer, asked, kind, parameters, {})
    assert unharmed(model, before)


@EACH
@pytest.mark.parametrize("control", ["reference", "weight-noise"])
def test_controls_are_attacked_as_unlearned_models_are(model, tiny_tokenizer, asked, kind, parameters, control):
    """The reference has no difference to itself; noise differs from it everywhere at random."""
    names = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (1, 2)]
    original = {name: model.get_parameter(name).detach().clone() for name in names}
    changed = {name: 1.5 * tensor for name, tensor in original.items()}
    noisy, before = disturbed(original, changed, torch.Generator().manual_seed(0)), state(model)
    parts, _ = run(model, tiny_tokenizer, asked, kind, parameters, {} if control == "reference" else noisy)
    assert all(numpy.isfinite(numpy.stack(part["log_likelihoods"])).all() for part in parts)
    assert unharmed(model, before)
    if kind == "orthogonalise":
        assert (parts[0]["setting"].iloc[0] == NOTHING) or control == "weight-noise"


def direct(model, tokenizer, asked, kind, parameters):
    """The attack without `attack_cell` around it, and the model asked as it says."""
    select, answered = (asked[asked["split"] == split] for split in ("select", "relearn"))
    given = AttackInput(model, tokenizer, CORPORA, 1, select, reference_of(model, {}), 32, answered)
    for attacked in ATTACKS[kind](**parameters).run(given):
        attacked.read(QuestionScorer(tokenizer, attacked.ask(select), 32), attacked.model)


@EACH
def test_an_architecture_without_such_layers_is_named(make_model, tiny_tokenizer, asked, kind, parameters):
    model = make_model()
    model.model.layers = torch.nn.Sequential(*model.model.layers)
    with pytest.raises(ArchitectureError, match="LlamaForCausalLM has no one list of decoder layers"):
        direct(model, tiny_tokenizer, asked, kind, parameters)
    # In a study that is one line, not a traceback.
    with pytest.raises(ArchitectureError, match="LlamaForCausalLM has no one list of decoder layers"):
        run(model, tiny_tokenizer, asked, kind, parameters, {})
    assert not hooks_of_all._global_forward_hooks


@pytest.mark.parametrize("trained", ["down-projections", "lora"])
def test_a_part_that_a_layer_has_not_is_named(make_model, tiny_tokenizer, asked, trained):
    model = make_model()
    for layer in model.model.layers:
        delattr(layer, "mlp")
    with pytest.raises(ArchitectureError, match=r"model\.layers\.0 must have one MLP"):
        direct(model, tiny_tokenizer, asked, "relearn", {**RELEARN, "trained": trained})


@pytest.mark.parametrize("kind", ["prune", "quantise", "weight-noise"])
def test_layers_without_linear_modules_are_named(make_model, tiny_tokenizer, asked, kind):
    model = make_model()
    for layer in model.model.layers:
        layer.self_attn = layer.mlp = torch.nn.Identity()
    with pytest.raises(ArchitectureError, match="have no linear module"):
        direct(model, tiny_tokenizer, asked, kind, SETTINGS[kind][0])
