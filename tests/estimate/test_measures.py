"""Estimates of what is measured beside answers, against independent counts."""

import pytest

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import measured_cells
from unlearning_robustness.estimate import measures, work
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
    domains = {"elements": Domain(118, 847, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}
    found = jobs_of(of("muse"), {"smollm2-135m-memorised": shape}, domains)
    counted = {rule: sum(job.rule == rule for job in found) for rule in {job.rule for job in found}}
    assert counted["make_target_model"] == counted["measure_retrained"] == 1
    assert counted["measure_memorisation"] == counted["evaluate"] == 10


def test_a_trajectory_costs_its_training_and_five_sets_of_questions_a_point():
    config, shape = of("rna-controls"), Shape(**load_study("muse")["models"]["smollm2-135m-instruct"]["shape"])
    cell = next(cell for cell in measured_cells(config, "trajectory") if (cell.method, cell.defence) == ("rmu", "none"))
    asked = {"forget": 100, "retain": 50, "neighbour": 30}

    def cost(**changes):
        changed = {**config, "trajectory": {**config["trajectory"], **changes}}
        return measures.trajectory(shape, changed, cell, asked, QUESTION_TOKENS).operations

    training = work.unlearning(shape, config["methods"]["rmu"], [], 0, 48).operations
    # Before, after every sixth of 60 steps; 60 facts twice, 50 twice and 30, from layer 5 on.
    scored = work.scoring(shape, 2 * 60 + 2 * 50 + 30, 48, 5).operations
    assert cost(every=6, questions=60) == pytest.approx(training + 11 * scored)
    assert cost(every=30, questions=60) == pytest.approx(training + 3 * scored)
    relearned = cost(every=30, questions=60, attack="relearn") - cost(every=30, questions=60)
    attack = work.attacking(shape, config["attacks"]["relearn"], 60, 48, 0, QUESTION_TOKENS)
    assert relearned == pytest.approx(3 * attack.operations)


def test_recorded_cells_are_among_the_jobs():
    config = of("rna-controls")
    shape = Shape(**load_study("muse")["models"]["smollm2-135m-instruct"]["shape"])
    domains = {name: Domain(100, 300, 2) for name in ("elements", "geography", "symbols")}
    found = [
        job.about for job in jobs_of(config, {"smollm2-135m-instruct": shape}, domains) if job.rule == "trajectory"
    ]
    recorded = [f"smollm2-135m-instruct/elements/{method}/{defence}" for method in ("npo-kl", "rmu", "rsv")
                for defence in ("none", "rna")]  # fmt: skip
    assert sorted(found) == recorded
