"""Estimates of what is measured beside answers, against independent counts."""

import pytest

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.estimate import measures
from unlearning_robustness.estimate.jobs import Domain, jobs_of
from unlearning_robustness.estimate.work import QUESTION_TOKENS
from unlearning_robustness.models.shape import Shape


@pytest.fixture(scope="module")
def shape() -> Shape:
    return Shape(**load_study("muse")["models"]["smollm2-135m-instruct"]["shape"])


def of(name: str) -> dict:
    return resolve(load_study(name))


def test_a_landscape_costs_its_attack_and_a_loss_a_point(shape):
    config = of("stableun")
    found = measures.landscape(shape, config)
    more = measures.landscape(shape, {**config, "landscape": {**config["landscape"], "plane": 7}})
    # 7 x 7 points for 5 x 5, of 4 forget and 4 retain documents of 24 tokens, in float32.
    assert more.operations - found.operations == pytest.approx(24 * 8 * 24 * 1.5 * shape.forward(30))
    attack = config["attacks"]["relearn-once"]["parameters"]
    tokens = 15 * attack["batch_size"] * attack["tokens"]
    trained = 30 * shape.projection_parameters
    training = 1.5 * tokens * (2 * shape.forward(30) + 2 * trained)
    assert found.operations - training == pytest.approx(35 * 8 * 24 * 1.5 * shape.forward(30))


def test_memorisation_is_measured_again_after_an_attack(shape):
    config = of("muse")
    alone = {key: value for key, value in config["memorisation"].items() if key != "attack"}
    twice, once = (
        measures.memorisation(shape, {**config, "memorisation": asked}) for asked in (config["memorisation"], alone)
    )
    # Texts: 40 begun, 80 read, each of 12 + 28 tokens. Answers: 80 questions, of 12 tokens, in 6 batches of 16 at most
    # behind 4 others.
    questions = 80 * (QUESTION_TOKENS + 12) + 6 * 4 * QUESTION_TOKENS
    assert once.operations == pytest.approx((40 * 40 + 80 * 40 + questions) * shape.forward(30))
    # In batches of 16, token by token.
    assert once.layer_calls == (3 * (1 + 28) + 5 * (1 + 12)) * 30
    assert twice.operations > 2 * once.operations and twice.layer_calls > 2 * once.layer_calls


def test_texts_are_learned_by_heart_with_every_weight_or_with_some(shape):
    settings = of("muse")["models"]["smollm2-135m-memorised"]["memorised"]
    every = measures.target_model(shape, settings)
    tokens = 160 * 16 * 48
    assert every.operations == pytest.approx(tokens * (2 * shape.forward(30) + 2 * shape.parameters))
    some = measures.target_model(shape, {**settings, "tensors": "down-projections"})
    trained = 30 * shape.projection_parameters
    assert every.operations - some.operations == pytest.approx(tokens * 2 * (shape.parameters - trained))
    assert some.memory < every.memory and every.disk == 2 * shape.parameters


def test_the_muse_study_is_planned_whole(shape):
    domains = {"elements": Domain(118, 590, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}
    found = jobs_of(of("muse"), {"smollm2-135m-memorised": shape}, domains)
    counted = {rule: sum(job.rule == rule for job in found) for rule in {job.rule for job in found}}
    assert counted["make_target_model"] == counted["measure_retrained"] == 1
    assert counted["measure_memorisation"] == counted["evaluate"] == 10
