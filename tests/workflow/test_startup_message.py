"""What is said before the first job, against sums by hand."""

from types import SimpleNamespace

import pytest

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.estimate.jobs import Job
from unlearning_robustness.estimate.machines import Machine
from unlearning_robustness.models.shape import Work
from unlearning_robustness.workflow import startup_message as start

STUDY = load_study("ci")["study"]
FOUND = [Job("unlearn", "model/rmu/none", Work(operations=600.0)), Job("attack", "model/rmu/none/relearn", Work(300.0))]
NAMES = ["unlearn/model/rmu/none", "attack/model/rmu/none/relearn"]


@pytest.fixture(autouse=True)
def one_operation_a_second(monkeypatch):
    """Processes start within 60 seconds; the work is then its operations in seconds."""
    monkeypatch.setattr(start, "processor", lambda: "float32")
    monkeypatch.setitem(start.MACHINES, "float32", Machine("", 1.0, 0.0, 60.0))


@pytest.mark.parametrize(
    ("left", "cores", "said"),
    [
        (NAMES, 1, "jobs left: 2; without a GPU in float32 (this CPU has no native bfloat16), "
         "about 17 minutes on 1 core"),
        ([NAMES[1]], 1, "about 6 minutes"),
        ([NAMES[1], None, None], 2, "jobs left: 3; "),
        ([NAMES[1], None, None], 2, "about 4 minutes on 2 cores"),
        ([None], 2, "about 0 minutes on 2 cores"),
        ([None], 1, "about 1 minute on 1 core"),
        ([NAMES[0], "search/model"], 1, "about 11 minutes on 1 core; not estimated: 1 of them"),
    ],
)  # fmt: skip
def test_the_minutes_are_those_of_the_jobs_that_are_left(left, cores, said):
    line = start.start_line(STUDY, FOUND, left, cores)
    assert said in line
    assert "\n" not in line


def test_an_estimated_jobs_name_is_where_its_cost_is_measured():
    assert [job.name for job in FOUND] == NAMES


@pytest.mark.parametrize(
    ("kind", "said"), [("matrices", "in bfloat16, "), ("vectors", "in bfloat16 (this CPU has no matrix unit for it), ")]
)
def test_the_precision_is_said(monkeypatch, kind, said):
    monkeypatch.setattr(start, "processor", lambda: kind)
    assert said in start.start_line(STUDY, FOUND, [], 2)


def test_the_size_is_the_studys_own():
    assert start.size_line(STUDY) == "6 cells, 9 (cell, attack) runs"


@pytest.mark.parametrize(
    ("times", "name"),
    [("results/ci/benchmark_times/unlearn/m/b/rmu/none.jsonl", "unlearn/m/b/rmu/none"), ("", None), (None, None)],
)
def test_a_job_without_measured_cost_is_one_too_small_to_estimate(times, name):
    assert start.job_name(times) == name


def study_of(undecidable="warn"):
    config = load_study("rna")
    config["study"]["seeds"], config["analysis"]["undecidable"] = [0, 1], undecidable
    return SimpleNamespace(config=resolve(config))


def test_claims_that_can_hardly_be_decided_are_named_before_the_first_job():
    line = start.claims_line(study_of())
    assert "claims can hardly be decided with 2 seed(s): " in line and "\n" not in line
    assert start.claims_line(SimpleNamespace(config=resolve(load_study("ci")))) == ""


def test_such_claims_stop_a_study_that_says_so():
    with pytest.raises(ConfigError, match=r"^study.seeds: .* claims can hardly .*; give more .* analysis.undecidable"):
        start.claims_line(study_of("stop"))
