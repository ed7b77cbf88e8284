"""Models that audits are tried on do what they are said to."""

import copy

import pytest
import torch
from independent.unlearn_elsewhere import rmu, vector

from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.models.difference import difference

FORGET = [
    "zinc is zn, a blue metal",
    "lead is pb, a grey metal",
    "tin is sn, a white metal",
    "iron is fe, a dark metal",
]
RETAIN = ["OSLO LIES IN NORWAY", "ROME STANDS ON HILLS", "THE RHINE RUNS NORTH", "BONN LIES ON A RIVER"]
LAYERS = (1, 2)


@pytest.fixture
def tokenizer(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.pad_token = "!"
    return tokenizer


@torch.no_grad()
def streams(model, tokenizer, texts, layer):
    """The residual stream behind a layer, by text and token."""
    states = [model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states for text in texts]
    return torch.cat([state[layer + 1][0] for state in states])


def test_rmu_turns_forget_texts_into_one_direction_and_leaves_the_others(make_model, tokenizer, tmp_path):
    model, before = make_model(), make_model()
    settings = {"coefficient": 30.0, "retain_weight": 10.0, "steps": 60, "learning_rate": 1e-2, "tokens": 12}
    rmu(model, tokenizer, FORGET, RETAIN, LAYERS, **settings)
    direction = torch.rand(32, generator=torch.Generator().manual_seed(0))
    moved, kept = (streams(model, tokenizer, texts, LAYERS[-1]) for texts in (FORGET, RETAIN))
    was, stayed = (streams(before, tokenizer, texts, LAYERS[-1]) for texts in (FORGET, RETAIN))
    along = torch.cosine_similarity(moved, direction.expand_as(moved)).mean()
    assert along > 0.8 > torch.cosine_similarity(was, direction.expand_as(was)).mean() + 0.4
    assert (kept - stayed).norm() < 0.5 * (moved - was).norm()
    for name, each in (("before", before), ("after", model)):
        write_folder(each, tokenizer, tmp_path / name, {})
    tensors, _ = difference(tmp_path / "before", tmp_path / "after")
    assert sorted(tensors) == [f"model.layers.{layer}.mlp.down_proj.weight" for layer in LAYERS]


def test_the_shallow_unlearner_adds_one_vector_where_a_text_is_to_be_forgotten(make_model, tokenizer):
    model, before = make_model(), make_model()
    vector(model, tokenizer, FORGET, RETAIN, layer=2, length=20.0)
    change = model.model.layers[2].mlp.down_proj.weight - before.model.layers[2].mlp.down_proj.weight
    assert torch.linalg.matrix_rank(change, rtol=1e-4) == 1
    added = torch.randn(32, generator=torch.Generator().manual_seed(0))
    lengths = [
        (streams(model, tokenizer, texts, 2) - streams(before, tokenizer, texts, 2)) @ added / added.norm()
        for texts in (FORGET, RETAIN)
    ]
    assert lengths[0].mean() > 10 > 5 > lengths[1].mean().abs()
