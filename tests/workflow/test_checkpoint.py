"""Cells that come from a checkpoint, from the rule that takes them to the last page."""

import zlib
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from in_process import run_study
from running import unchanged_process
from tiny_study import MODEL, STUDY, write_study

from unlearning_robustness.data import known_facts
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.runtime.device import choose_dtype
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import read

RECORDS = f"results/tiny/records/{MODEL}/elements/{{method}}/none/seed{{seed}}/{{attack}}/records.parquet"
SMALLER = "resources/models/smaller"
CHANGED = "model.layers.1.mlp.down_proj.weight"
NAMES = ["untouched", "changed", "smaller"]
CELLS = [{"methods": ["reference", *NAMES], "defences": ["none"], "attacks": ["none", "relearn"]}]


@pytest.fixture
def checkpoints(tmp_path, make_model, tiny_tokenizer, monkeypatch):
    """A study of a tiny model, a copy, one with another down-projection, and one with fewer layers; of a few facts."""
    monkeypatch.chdir(tmp_path)
    entries = {"license": "none", "note": "random weights"}
    for name in NAMES:
        place = Path("resources/models") / name
        model = make_model(num_hidden_layers=3) if name == "smaller" else make_model()
        if name == "changed":
            model.get_parameter(CHANGED).mul_(-3)
        model.save_pretrained(place)
        tiny_tokenizer.save_pretrained(place)
        write_manifest(place, {})
    study = {
        **STUDY,
        "study": {**STUDY["study"], "cells": CELLS},
        # Adapters, which a search may choose too, cannot be exported.
        "searches": {
            "relearning": {
                "trials": 1,
                "steps": [2],
                "grid": [{"trained": ["down-projections"], "learning_rate": [1.0e-3]}],
            }
        },
        "models": {**STUDY["models"], **{name: {"path": name, **entries} for name in NAMES}},
        "methods": {
            "rmu": STUDY["methods"]["rmu"],
            **{name: {"label": name, "checkpoint": name, "whole": name == "smaller"} for name in NAMES},
        },
    }
    thinned = known_facts.build_questions
    few = lambda *given: [each for each in thinned(*given) if zlib.crc32(each.fact.encode()) % 12 == 0]  # noqa: E731
    monkeypatch.setattr(known_facts, "build_questions", few)
    monkeypatch.setattr(known_facts, "keep_known", lambda questions, correct: questions)
    deterministic = torch.are_deterministic_algorithms_enabled()
    with unchanged_process():
        yield write_study(tmp_path, make_model(), tiny_tokenizer, study)
    torch.use_deterministic_algorithms(deterministic)


def answers(method, seed, attack):
    return read([RECORDS.format(method=method, seed=seed, attack=attack)]).drop(columns=["method", "seed"])


@pytest.mark.slow
def test_a_copy_answers_as_the_reference_does_and_another_model_as_itself(checkpoints):
    jobs = [job.rule for job in run_study(checkpoints, lambda study: study.report.files)]
    assert jobs.count("take_checkpoint") == 3 and "unlearn" not in jobs
    for attack, seed in (("none", 0), ("relearn", 0), ("relearn", 1)):
        pandas.testing.assert_frame_equal(answers("untouched", seed, attack), answers("reference", seed, attack))
    assert not answers("changed", 0, "none")["log_likelihoods"].equals(
        answers("reference", 0, "none")["log_likelihoods"]
    )
    scores = numpy.stack(answers("smaller", 0, "none")["log_likelihoods"].to_numpy())
    asked = pandas.read_parquet(RECORDS.format(method="smaller", seed=0, attack="none"))
    smaller = QuestionScorer(load_tokenizer(SMALLER), asked, 48).records(
        load_model(SMALLER, dtype=choose_dtype("cpu"))[0]
    )
    assert numpy.allclose(scores, numpy.stack(smaller["log_likelihoods"].to_numpy()), atol=0.05)
    facts = read_json(f"results/tiny/cells/{MODEL}/elements/changed/none/seed1/manifest.json")
    assert facts["trained_tensors"] == [CHANGED] and facts["weight_change"] > 0


def test_an_attacked_model_is_exported_as_a_folder_that_answers_as_the_records_say(checkpoints):
    target = f"exports/{MODEL}/elements/changed/none/seed1.relearn"
    run_study(checkpoints, lambda study: [target])
    recorded = pandas.read_parquet(RECORDS.format(method="changed", seed=1, attack="relearn"))
    assert read_json(f"{target}/manifest.json")["attack_point"] == {"documents": 4, "steps": 2, "setting": ""}
    asked = recorded[recorded["steps"] == 2]
    model, _ = load_model(target, dtype=choose_dtype("cpu"))
    answered = QuestionScorer(load_tokenizer(target), asked, 48).records(model)
    scores, before = (numpy.stack(table["log_likelihoods"].to_numpy()) for table in (answered, asked))
    assert numpy.allclose(scores, before, atol=0.05) and not numpy.allclose(before, before.mean())
