"""Planted answers: attacks bring back what is hidden shallowly, and nothing that never was there."""

import math

import pandas
import pytest
import torch
from planted import CORPORA, known, questions, reference_of, state, steered, unharmed

from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

CELL = Cell("tiny", "letters", "steering", "none", 0)
ATTACKS = {
    "logit-lens": {"streams": "all"},
    "orthogonalise": {"utility_bound": 0.05},
    "prune": {"score": "snip", "fractions": [0.01, 0.05], "texts": 3, "tokens": 16, "utility_bound": 0.05},
    "quantise": {"bits": [8, 4, 3], "group_size": 16},
    "weight-noise": {"scales": [0.01, 0.1]},
}


@pytest.fixture(scope="module")
def model(make_model):
    """The last layer adds little, so what is read before it is what is read behind it."""
    model = make_model(mlp_bias=True)
    with torch.no_grad():
        for name, tensor in model.model.layers[3].named_parameters():
            if "o_proj" in name or "down_proj" in name:
                tensor *= 0.03
    return model


def accuracies(model, tokenizer, asked, attack, delta, **changes):
    """Accuracy of the unlearned model and at every point of the attack, with the settings chosen."""
    settings = {"kind": attack, "roles": ["forget"], "parameters": {**ATTACKS[attack], **changes}}
    reference, before = reference_of(model, delta), state(model)
    test = asked[(asked["split"] == "test") & (asked["role"] == "forget")]
    with applied(model, delta):
        unlearned = QuestionScorer(tokenizer, test, 64).accuracy(model)
        parts, _ = attack_cell(model, tokenizer, CELL, attack, settings, asked, CORPORA, 64, reference)
    assert unharmed(model, before)
    return unlearned, [(part["setting"].iloc[0], part["correct"].mean()) for part in parts], len(parts[0])


@pytest.mark.parametrize(
    ("attack", "layer", "changes", "setting"),
    [
        ("logit-lens", 3, {}, "layer 2"),
        ("orthogonalise", 1, {"direction": "mean"}, "layer 1, mean direction to reference"),
        ("orthogonalise", 1, {"direction": "principal"}, "layer 1, principal direction to reference"),
        ("orthogonalise", 1, {}, "layer 1, mean direction to reference"),
        ("orthogonalise", 3, {"towards": "zero"}, "layer 3, mean direction to zero"),
    ],
)
def test_a_shallow_unlearner_is_undone(model, tiny_tokenizer, attack, layer, changes, setting):
    asked = known(model, tiny_tokenizer, questions())
    unlearned, points, _ = accuracies(
        model, tiny_tokenizer, asked, attack, steered(model, layer, length=200.0), **changes
    )
    assert unlearned < 0.5
    assert [name.split(" (")[0] for name, _ in points] == [setting] and points[0][1] >= 0.9


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_what_was_never_known_is_not_found(model, tiny_tokenizer, attack):
    """Answers are random, so no read-out can tell them; a choice made on the reported questions could."""
    _, points, count = accuracies(model, tiny_tokenizer, questions(), attack, steered(model, 1, length=20.0))
    above = 0.25 + 2.6 * math.sqrt(0.25 * 0.75 / count)
    assert count == 200 and max(accuracy for _, accuracy in points) <= above


def test_the_plants_are_what_they_are_said_to_be(model, tiny_tokenizer):
    asked = questions()
    assert known(model, tiny_tokenizer, asked)["answer"].value_counts(normalize=True).between(0.15, 0.35).all()
    assert pandas.Series(asked["answer"]).value_counts(normalize=True).between(0.15, 0.35).all()
