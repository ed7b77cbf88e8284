"""Estimates of attacks against independent counts."""

from pathlib import Path

import pytest
import yaml

from unlearning_robustness.attacks import paraphrase, prefill
from unlearning_robustness.attacks.characters import Characters
from unlearning_robustness.attacks.facts import PREDICTING, SHOT_TOKENS, VARIANT_TOKENS
from unlearning_robustness.config import resolve
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.config.parameters import complete
from unlearning_robustness.estimate import work
from unlearning_robustness.estimate.jobs import Domain, jobs_of
from unlearning_robustness.models.shape import BFLOAT16, Shape

DOMAINS = {"elements": Domain(118, 590, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}
RELEARN = {"documents": [4], "steps": [1], "learning_rate": 1.0, "batch_size": 4, "tokens": 8}


@pytest.fixture(scope="module")
def config() -> dict:
    return resolve(yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text()))


@pytest.fixture(scope="module")
def shape(config) -> Shape:
    return Shape(**config["models"]["smollm2-135m-instruct"]["shape"])


def test_a_search_of_tokens_costs_a_forward_of_every_candidate_and_a_gradient_a_step(config, shape):
    entry = config["attacks"]["gcg"]
    given = entry["parameters"] | {
        "steps": [3, 10],
        "candidates": 50,
        "questions": 2,
        "inserted_tokens": 9,
        "held_out": 30,
    }
    # Every text may be tried on the questions held out, and plain asking is.
    asked = work.scoring(shape, 100, 48).times(2).operations + work.scoring(shape, 30, 48).times(11).operations
    cost = work.attacking(shape, entry | {"parameters": given}, 100, 48)
    assert cost.operations - asked == pytest.approx(10 * 2 * (50 + 3) * (9 + work.QUESTION_TOKENS) * shape.forward(30))


def test_a_search_over_prompts_has_one_control_a_model_and_benchmark(config, shape):
    grid = {"methods": ["reference", "rmu"], "defences": ["none"], "attacks": ["none", "gcg", "gcg-retain", "prune"]}
    study = {**config["study"], "cells": [grid], "pairs": None}
    jobs = jobs_of({**config, "study": study}, {"smollm2-135m-instruct": shape}, DOMAINS)
    (control,) = [job for job in jobs if job.rule == "trigger_control"]
    assert control.about == "smollm2-135m-instruct/elements/gcg"
    attack = work.attacking(shape, config["attacks"]["gcg"], 147, 48, 100)
    assert 1.0 < control.work.operations / attack.operations < 1.2


@pytest.mark.parametrize(("attack", "more"), [("soft-prompt", 5), ("embedding", 0)])
def test_trained_inputs_cost_a_forward_and_a_gradient_of_inputs_a_step(config, shape, attack, more):
    entry = config["attacks"][attack]
    given = entry["parameters"] | {"steps": [0, 10, 30], "batch_size": 6} | ({"vectors": more} if more else {})
    # Asked at three points, and on select plainly and twice.
    asked = work.scoring(shape, 100, 48).times(3).operations + work.scoring(shape, 50, 48).times(3).operations
    cost = work.attacking(shape, entry | {"parameters": given}, 100, 48, 50)
    training = 30 * 6 * (work.QUESTION_TOKENS + more) * 2 * shape.forward(30)
    assert cost.operations - asked == pytest.approx(training)


@pytest.mark.parametrize(
    ("change", "trained"),
    [
        ({}, 32 * 64),
        ({"trained": "full"}, 2 * 32 * (32 + 16) + 3 * 32 * 64),
        ({"trained": "lora", "rank": 3, "targets": "attention"}, 3 * 2 * (64 + 48)),
        ({"trained": "lora", "rank": 3, "targets": "mlp"}, 3 * 3 * 96),
        ({"trained": "lora", "rank": 3, "targets": "all"}, 3 * (2 * (64 + 48) + 3 * 96)),
    ],
)
def test_what_an_attacker_trains_is_counted(change, trained):
    tiny = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 64, "num_attention_heads": 4}
    settings = complete(ATTACKS, "relearn", RELEARN | change, "k")
    shape = Shape(**tiny, num_key_value_heads=2, vocab_size=260)
    assert facts_of(ATTACKS, "relearn").trained_parameters(settings, shape) == trained


def test_what_is_chosen_is_scored_on_select_first_and_what_is_a_budget_is_scored_along_it(config, shape):
    one = work.scoring(shape, 100, 48).operations

    def scored(attack, select=50):
        return work.attacking(shape, config["attacks"][attack], 100, 48, select).operations / one

    assert scored("quantise") == pytest.approx(3) and scored("weight-noise") == pytest.approx(5)
    # Beside 50 questions in a forward, what comes from each of 30 layers is unembedded where choices are predicted.
    read = 30 * 50 * PREDICTING * shape.forward(0) / one
    assert scored("logit-lens") == pytest.approx(1.5 + read) and read > 0.3
    # 2 directions with 2 levels at each of 30 layers, at 27 rows of four and at all: 232 on 8 questions of each role
    # and 58 on 25; half a model each. The directions read 25 questions four times.
    assert scored("orthogonalise") == pytest.approx(1 + (232 * 8 + 58 * 25 + 4 * 25) / 100)
    assert scored("prune") - scored("prune", select=0) == pytest.approx(16 / 2)
    # 128 texts of 48 tokens of each corpus, forward alone and with gradients, against 100 questions.
    texts = 2 * 128 * 48 / (100 * work.QUESTION_TOKENS)
    # SNIP runs the layers forward twice and backward once, and the unembedding once each way.
    layers = shape.forward(30, head=False) / shape.forward(30)
    assert scored("prune", select=0) == pytest.approx(1 + texts * (4 * layers + 2 * (1 - layers)))
    assert scored("prune-wanda", select=0) == pytest.approx(1 + texts)
    relearn = config["attacks"]["relearn"]
    assert work.attacking(shape, relearn, 9, 4, 50) == work.attacking(shape, relearn, 9, 4)


def test_no_attack_on_a_large_model_but_that_which_trains_every_layer_holds_it_twice(config):
    shape = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32}
    large, entries = Shape(**shape, num_key_value_heads=8, vocab_size=32000), config["attacks"]
    whole = large.parameters * BFLOAT16
    for name, entry in entries.items():
        held = work.attacking(large, entry, 200, 48, 100).memory / whole
        kept = facts_of(ATTACKS, entry["kind"]).host_bytes(entry["parameters"], large) / whole
        # Originals, masters, gradients in both types and moments are ten times the bytes of what is trained.
        most = {"full": 11, "down-projections": 3.8}.get(entry["parameters"].get("trained"), 1.3)
        assert 1 <= held < most, (name, held)
        assert kept == 0 or {"quantise": 0.9, "weight-noise": 0.9, "prune": 0.4}[entry["kind"]] < kept < 1


def test_other_words_are_each_tried_on_select_and_shots_are_run_once_a_batch(config, shape):
    def cost(name, questions=100, select=50, **changes):
        entry = config["attacks"][name]
        entry = entry | {"parameters": entry["parameters"] | changes}
        return work.attacking(shape, entry, questions, 48, select).operations

    per_token = shape.forward(shape.num_hidden_layers)
    length = work.QUESTION_TOKENS
    for name, more in (("paraphrase", paraphrase.PATTERNS), ("prefill", prefill.BEGINNINGS)):
        # Beside the patterns the plain question, and another template or the chat format.
        tried = (len(more) + 2) * 50 * (length + VARIANT_TOKENS)
        assert cost(name) == pytest.approx((2 * 100 * length + tried) * per_token)
    for every in ([7], [1, 3], [0]):
        settings = config["attacks"]["characters"]["parameters"] | {"every": every}
        candidates = facts_of(ATTACKS, "characters").candidates(settings, shape)
        assert candidates == 1 + len(Characters(**settings).variants(seed=0))
    shots = cost("few-shot", shots=[0, 4]) - 2 * 100 * length * per_token
    # 100 questions are three batches of 48.
    assert shots == pytest.approx(3 * 4 * SHOT_TOKENS * shape.forward(30, head=False))
