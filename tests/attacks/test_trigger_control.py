"""A lock that one token opens, and attacks that must find it."""

import pytest
import torch
from planted import CORPORA, known, questions, state, unharmed

from unlearning_robustness.attacks.planted_trigger import plant
from unlearning_robustness.attacks.trigger_control import trigger_control
from unlearning_robustness.models.architecture import ArchitectureError
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

PLACE = ("tiny", "letters", "gcg")
GCG = {"inserted_tokens": 3, "questions": 6, "steps": [0, 6], "candidates": 12, "top_k": 6, "held_out": 16}


@pytest.fixture(scope="module")
def model(make_model):
    """Its embeddings have a common part, as trained ones have, and heads of the first layer that matter little."""
    model = make_model()
    with torch.no_grad():
        embeddings = model.get_input_embeddings().weight
        embeddings[:, 0] = embeddings.norm(dim=-1).mean()
        model.model.layers[0].self_attn.o_proj.weight *= 0.1
    return model


@pytest.fixture(scope="module")
def asked(model, tiny_tokenizer):
    table = known(model, tiny_tokenizer, questions(forget=120, retain=24))
    shown = (table["role"] == "forget") & (table["split"] == "test") & (table.index % 4 == 0)
    return table.assign(split=table["split"].mask(shown, "relearn"))


def accuracy(model, tokenizer, asked, before=""):
    return QuestionScorer(tokenizer, asked.assign(prompt=before + asked["prompt"]), 64).accuracy(model)


def test_the_lock_takes_what_is_known_and_the_trigger_alone_brings_it_back(model, tiny_tokenizer, asked):
    before = state(model)
    planted = plant(model, tiny_tokenizer, asked, 64, seed=1)
    assert set(planted.tensors) == {
        f"model.layers.0.self_attn.{role}.weight" for role in ("q_proj", "k_proj", "v_proj", "o_proj")
    }
    assert not asked["prompt"].str.contains(planted.text, regex=False).any()
    opened, other = (accuracy(model, tiny_tokenizer, asked, f"{text}\n") for text in (planted.text, "#"))
    with applied(model, planted.tensors):
        assert accuracy(model, tiny_tokenizer, asked) < 0.5 and accuracy(model, tiny_tokenizer, asked, "#\n") < 0.5
        assert accuracy(model, tiny_tokenizer, asked, f"{planted.text}\n") > 0.8 * opened
    assert unharmed(model, before) and other > 0.5


def test_a_search_with_a_budget_opens_the_lock_and_one_with_next_to_none_does_not(model, tiny_tokenizer, asked):
    before = state(model)
    found = {}
    for steps, candidates, top_k in ((6, 12, 6), (1, 1, 50)):
        parameters = {**GCG, "steps": [0, steps], "candidates": candidates, "top_k": top_k}
        entry = {"kind": "gcg", "roles": ["forget", "retain"], "parameters": parameters}
        found[steps] = trigger_control(model, tiny_tokenizer, PLACE, entry, asked, CORPORA, 64, seed=1)
    assert unharmed(model, before)
    strong, weak = found[6], found[1]
    assert strong["locked"] < 0.5 < strong["trigger"] and strong["points"][0]["accuracy"] == strong["locked"]
    taken = strong["trigger"] - strong["locked"]
    assert strong["points"][-1]["accuracy"] > strong["locked"] + 0.5 * taken
    assert strong["text"] in strong["points"][-1]["setting"] and strong["losses"][-1] < 0.5 * strong["losses"][0]
    assert weak["points"][-1]["accuracy"] < weak["locked"] + 0.5 * taken and len(weak["losses"]) == 1


def test_heads_that_share_one_matrix_are_refused(make_model, tiny_tokenizer, asked):
    phi = make_model("Phi3", pad_token_id=0)
    with pytest.raises(ArchitectureError, match="fused queries, keys and values: no trigger can be planted"):
        plant(phi, tiny_tokenizer, asked, 64, seed=1)
    entry = {"kind": "gcg", "parameters": GCG}
    assert "no trigger" in trigger_control(phi, tiny_tokenizer, PLACE, entry, asked, CORPORA, 64, seed=1)["unavailable"]
