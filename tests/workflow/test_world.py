"""A study of a generated world, from pretraining to tables: a model that knows its facts, and one that never did."""

from pathlib import Path

import pandas
import pytest
import torch
from in_process import run_study
from running import unchanged_process
from small_world import STUDY
from tiny_study import write_overlay

from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.scoring.records import read

pytestmark = pytest.mark.slow
RESULTS = Path("results/small-world")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder in which the study ran, and its jobs."""
    folder = tmp_path_factory.mktemp("small-world")
    deterministic = torch.are_deterministic_algorithms_enabled()
    with pytest.MonkeyPatch.context() as patch, unchanged_process():
        patch.chdir(folder)
        overlay = write_overlay(folder, "small-world", **STUDY)
        jobs = run_study(overlay, lambda study: [*study.targets.records, *study.report.group_tables("accuracy")])
    torch.use_deterministic_algorithms(deterministic)
    return folder / RESULTS, jobs


def test_both_models_read_the_same_but_for_the_forget_facts(finished):
    results, jobs = finished
    pretrained = sorted(job.wildcards.model for job in jobs if job.rule == "pretrain")
    assert pretrained == ["world-0", "world-0-retrained"]
    with_facts, without = (read_json(results / "models" / name / "manifest.json") for name in pretrained)
    for fact in ("first_weights", "order", "shared_documents"):
        assert with_facts[fact] == without[fact]
    assert without["tokens_read"] < with_facts["tokens_read"]
    assert with_facts["known"]["forget"] >= 0.9 and without["known"]["forget"] < 0.5
    assert min(model["known"][role] for model in (with_facts, without) for role in ("retain", "neighbour")) >= 0.85


def test_the_model_that_never_saw_them_is_at_chance_where_the_reference_knows_all(finished):
    results, _ = finished
    accuracy = pandas.read_csv(results / "tables" / "accuracy.csv").query("probe == 'plain' and measure == 'accuracy'")
    mean = accuracy.set_index(["role", "method"])["mean"]
    assert mean["forget", "reference"] == 1 and mean["forget", "retrain"] < 0.55
    assert mean["retain", "retrain"] > 0.85


def test_relearning_teaches_the_model_that_never_saw_the_facts_little(finished):
    results, _ = finished
    records = read(results.glob("records/world-0/world-0/retrain/none/seed*/relearn/records.parquet"))
    assert set(records["split"]) == {"test"} and records["correct"].mean() < 0.6


def test_what_is_trained_on_the_model_that_never_saw_them_is_a_cell_of_the_one_that_did(finished):
    results, _ = finished
    place = results / "cells" / "{model}" / "world-0" / "{method}" / "none" / "seed0" / "manifest.json"
    treated = read_json(str(place).format(model="world-0", method="rmu-never"))
    trained = read_json(str(place).format(model="world-0-retrained", method="rmu"))
    # How far the training went, not how far the two models lie apart.
    assert treated["steps"] == 4 and treated["weight_change"] == trained["weight_change"] > 0
    assert set(trained["trained_tensors"]) < set(treated["trained_tensors"])
    answers = pandas.read_csv(results / "tables" / "accuracy.csv").query("role == 'forget' and measure == 'accuracy'")
    mean = answers.set_index("method")["mean"]
    assert mean["rmu-never"] < 0.6 < mean["reference"]
