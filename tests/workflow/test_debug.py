"""A script run alone, with the object that Snakemake would give it."""

import subprocess
import sys

import pandas
import pytest
from running import ROOT, unchanged_process

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.debug import mock_of_target, mock_snakemake

CELL = {"model": "smollm2-135m-instruct", "benchmark": "elements", "method": "rmu", "defence": "early-stop"}


@pytest.fixture(autouse=True)
def process(tmp_path, monkeypatch):
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    with unchanged_process():
        yield


def debug(*arguments):
    command = [sys.executable, "-m", "unlearning_robustness.workflow.debug", *arguments]
    return subprocess.run(command, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False)


def test_the_object_of_a_job_has_what_its_rule_says():
    job = mock_snakemake("unlearn", **CELL)
    cells = "results/cells/smollm2-135m-instruct/elements/rmu"
    assert job.rule == "unlearn" and dict(job.wildcards.items()) == CELL
    assert list(job.output.delta) == [f"{cells}/early-stop/seed{seed}/delta.safetensors" for seed in (0, 1, 2)]
    assert list(job.input.matched) == [f"{cells}/rna/seed{seed}/delta.safetensors" for seed in (0, 1, 2)]
    assert job.params.method["learning_rate"] == 2e-3 and job.params.row[0]["kind"] == "early-stop"
    assert job.params.seeds == [0, 1, 2] and job.params.batch_size == 48
    assert job.threads == 1 and job.resources["gpu"] == 1 and job.resources["mem_mb"] == 4000
    target = mock_of_target("unlearn", job.output.delta[1])
    assert list(target.input) == list(job.input) and dict(target.params.items()) == dict(job.params.items())


def test_a_script_runs_alone_and_says_to_the_terminal_what_it_would_say_to_its_log(tmp_path):
    done = debug("build_corpora", "results/corpora/elements.parquet")
    assert done.returncode == 0, done.stderr
    counts = pandas.read_parquet(tmp_path / "results/corpora/elements.parquet")["corpus"].value_counts()
    assert counts["retain"] == 400 and f"forget              {counts['forget']}" in done.stderr
    assert not (tmp_path / "results" / "logs").exists()


@pytest.mark.parametrize(
    ("rule", "target", "said"),
    [
        ("unlearns", "x", "no rule 'unlearns'; there are: "),
        (
            "unlearn",
            "x",
            "rule unlearn does not make x; its first output is results/cells/{model}/{benchmark}",
        ),
        ("build_probes", "results/benchmarks/smollm2-135m-instruct/elements/probes.parquet", " is missing: run `snake"),
        ("all", "results/tables/accuracy.csv", "rule all has no script"),
        ("unlearn", "x --configfile studies/none.yaml", "--configfile: there is no studies/none.yaml"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(rule, target, said):
    done = debug(rule, *target.split())
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and said in line


def test_a_wildcard_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="unlearn: give defence, method too"):
        mock_snakemake("unlearn", model="smollm2-135m-instruct", benchmark="elements")
