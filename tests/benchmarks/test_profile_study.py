"""Where CPU-seconds go: planted files of a finished study, and operators of work that is known."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from running import unchanged_process

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_study.py"


@pytest.fixture(scope="module")
def profile():
    spec = importlib.util.spec_from_file_location("profile_study", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with unchanged_process():
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def times(tmp_path):
    """Of three jobs; one ran twice."""
    runs = {"unlearn/tiny/rmu": [(9.0, 900), (6.0, 512)], "unlearn/tiny/npo": [(2.0, 1024)], "tune/tiny": [(32.0, 256)]}
    for name, measured in runs.items():
        path = tmp_path / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps({"cpu_time": spent, "max_rss": rss}) + "\n" for spent, rss in measured))
    return tmp_path


def test_seconds_and_memory_of_rules_are_those_of_their_last_runs(profile, times):
    table = profile.by_rule(times)
    assert list(table.index) == ["tune", "unlearn"]
    assert table.loc["unlearn"].to_dict() == {
        "jobs": 2, "cpu_seconds": 8.0, "cpu_seconds_a_job": 4.0, "share": 0.2, "gb": 1.0
    }  # fmt: skip


def test_a_study_that_has_not_run_has_no_rows(profile, tmp_path):
    assert profile.by_rule(tmp_path / "none").empty


def test_products_of_large_matrices_are_found_to_take_the_time(profile):
    left = torch.randn(600, 600)

    def work():
        for _ in range(20):
            left @ left

    torch.set_num_threads(1)
    table = profile.by_operator(work)
    assert table.loc["aten::mm", "calls"] == 20 and table["share"].sum() == pytest.approx(1)
    assert table.drop(profile.OUTSIDE).index[0] == "aten::mm" and table.loc["aten::mm", "share"] > 0.3


def test_a_job_runs_again_and_writes_nothing_here(profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with unchanged_process():
        profile.run_aside("build_corpora", "results/corpora/elements.parquet", [])
    assert list(tmp_path.iterdir()) == []
