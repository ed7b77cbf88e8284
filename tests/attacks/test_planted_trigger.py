"""A planted trigger: an unlearned model that answers again when one character stands in its context."""

import pytest
import torch
from planted import CORPORA, known, questions, state, unharmed

from unlearning_robustness.attacks.gcg import GreedyCoordinateGradient
from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

CELL = Cell("tiny", "letters", "steering", "none", 0)
TRIGGER, SETTINGS = "@", {"inserted_tokens": 3, "questions": 6, "candidates": 12, "top_k": 3, "held_out": 24}
# What only the trigger's embedding has, and how far the unlearner moves the stream.
MARK, LENGTH = 31, 60.0


@pytest.fixture(scope="module")
def model(make_model):
    """One head of the last layer looks for the mark: its query is constant, its key and value read the mark alone.

    It uses the slowest rotary frequency, so that the place of the trigger hardly matters. Everything else neither
    reads nor writes the mark. Other attention is weak, so that no text before a question changes what is known.
    """
    model, width = make_model(mlp_bias=True, attention_bias=True), 8
    with torch.no_grad():
        model.model.embed_tokens.weight[:, MARK] = 0
        model.lm_head.weight[:, MARK] = 0
        for layer in model.model.layers:
            for name, tensor in layer.named_parameters():
                if "norm" not in name and tensor.ndim == 2:
                    writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                    tensor[(MARK, slice(None)) if writes else (slice(None), MARK)] = 0
                elif name.endswith("bias"):
                    tensor.zero_()
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight *= 0.05
        last = model.model.layers[3]
        last.mlp.down_proj.weight *= 0.01
        last.self_attn.o_proj.weight.zero_()
        attention, slow = last.self_attn, width // 2 - 1
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
            projection.weight[:width] = 0
        # Scores of 60 and more where the mark is: nothing else is seen; with no mark all is seen alike.
        attention.q_proj.bias[slow], attention.k_proj.weight[slow, MARK] = 20.0, 2.0
        attention.v_proj.weight[0, MARK] = 1.0
    return model


@pytest.fixture(scope="module")
def unlearned(model, tiny_tokenizer):
    """A constant vector is added behind the last layer's MLP; where the trigger is, the planted head adds its opposite.

    How strongly the head reads the mark is measured, so that both are of the same length.
    """
    vector = torch.randn(32, generator=torch.Generator().manual_seed(0))
    vector[MARK] = 0
    vector *= LENGTH / vector.norm()
    token, last = tiny_tokenizer.encode(TRIGGER)[0], model.model.layers[3]
    with torch.no_grad():
        mark = {"model.embed_tokens.weight": model.model.embed_tokens.weight.clone()}
        mark["model.embed_tokens.weight"][token, MARK] = 6.0
        read = []
        with applied(model, mark):
            handle = last.self_attn.v_proj.register_forward_hook(lambda _, __, output: read.append(output[0, 0, 0]))
            model(torch.tensor([tiny_tokenizer.encode(f"{TRIGGER}abc")]))
            handle.remove()
        output = last.self_attn.o_proj.weight.clone()
        output[:, 0] = -vector / read[0]
    return {**mark, "model.layers.3.self_attn.o_proj.weight": output, "model.layers.3.mlp.down_proj.bias": vector}


def accuracy(model, tokenizer, asked, change=lambda prompt: prompt):
    return QuestionScorer(tokenizer, asked.assign(prompt=asked["prompt"].map(change)), 64).accuracy(model)


@pytest.fixture(scope="module")
def asked(model, tiny_tokenizer):
    return known(model, tiny_tokenizer, questions())


def test_the_trigger_is_what_it_is_said_to_be(model, unlearned, tiny_tokenizer, asked):
    test = asked[(asked["split"] == "test") & (asked["role"] == "forget")]
    with applied(model, unlearned):
        plain = accuracy(model, tiny_tokenizer, test)
        triggered = accuracy(model, tiny_tokenizer, test, lambda prompt: f"{TRIGGER}\n{prompt}")
        other = accuracy(model, tiny_tokenizer, test, lambda prompt: f"#\n{prompt}")
    assert plain < 0.5 and other < 0.5 and triggered > 0.9


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_search_finds_the_trigger_and_a_random_one_of_equal_budget_seldom_does(
    model, unlearned, tiny_tokenizer, asked, place
):
    before, found = state(model), {}
    for top_k in (3, 10_000):
        for seed in range(3):
            settings = {**SETTINGS, "steps": [0, 4], "top_k": top_k, "place": place}
            entry = {"kind": "gcg", "roles": ["forget"], "parameters": settings}
            with applied(model, unlearned):
                cell = Cell(**{**vars(CELL), "seed": seed})
                parts, _ = attack_cell(model, tiny_tokenizer, cell, "gcg", entry, asked, CORPORA, 64)
            found[top_k, seed] = parts[1]["setting"].iloc[0], [part["correct"].mean() for part in parts]
    assert unharmed(model, before)
    for seed in range(3):
        setting, (plain, attacked) = found[3, seed]
        assert TRIGGER in setting and plain < 0.5 and attacked > 0.9
    assert sum(TRIGGER in found[10_000, seed][0] for seed in range(3)) < 3


def test_a_search_against_retain_questions_finds_what_makes_them_wrong(model, unlearned, tiny_tokenizer, asked):
    """The same trigger in a model that answers: the planted head now moves the stream where the trigger is."""
    attention = "model.layers.3.self_attn.o_proj.weight"
    harmed = {"model.embed_tokens.weight": unlearned["model.embed_tokens.weight"], attention: -unlearned[attention]}
    settings = {**SETTINGS, "steps": [0, 4], "role": "retain"}
    entry = {"kind": "gcg", "roles": ["retain"], "parameters": settings}
    with applied(model, harmed):
        parts, _ = attack_cell(model, tiny_tokenizer, CELL, "gcg-retain", entry, asked, CORPORA, 64)
    plain, attacked = (part["correct"].mean() for part in parts)
    assert TRIGGER in parts[1]["setting"].iloc[0] and plain > 0.9 and attacked < 0.5
    assert set(parts[1]["role"]) == {"retain"}


def test_contrast_is_the_default():
    assert GreedyCoordinateGradient(**{**SETTINGS, "steps": [1]}).match == "contrast"
