"""`make compare`: where two runs of a study begin to differ, and by how much."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from running import ROOT
from safetensors.torch import save_file

from unlearning_robustness.errors import ArtefactError
from unlearning_robustness.runtime.artefacts import seal
from unlearning_robustness.workflow import compare
from unlearning_robustness.workflow.compare import STAGES, differences, how_much

CELL = "m/b/rmu/none/seed0"
CORPORA, DELTA, FACTS = "corpora/b.parquet", f"cells/{CELL}/delta.safetensors", f"cells/{CELL}/manifest.json"
RECORDS, TABLE = f"records/{CELL}/none/records.parquet", "tables/accuracy.csv"
RULES = {CORPORA: "build_corpora", DELTA: "unlearn", FACTS: "unlearn", RECORDS: "evaluate", TABLE: "tables_accuracy"}


def write(results: Path, name: str, change: float = 0.0, seconds: float = 1.0, **written) -> None:
    """An artefact with its seal; a value of it is moved by ``change``."""
    path = results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    values = numpy.array([1.0, 2.0 + change, 3.0])
    if path.suffix == ".safetensors":
        save_file({"layer": torch.tensor(values)}, path)
    elif path.suffix == ".parquet":
        pandas.DataFrame({"text": ["a", "b", "c"], "scores": list(values.reshape(3, 1))}).to_parquet(path)
    elif path.suffix == ".csv":
        pandas.DataFrame({"mean": values, "cpu_seconds": seconds}).to_csv(path, index=False)
    else:
        entries = {
            "steps": 3,
            "weight_change": 2.0 + change,
            "cpu_seconds": seconds,
            "settings": {"scratch": str(results)},
        }
        path.write_text(json.dumps(entries))
    seal(path, name, **{"rule": RULES[name], "settings": "s", "code": "c", "inputs": "i", **written})


@pytest.fixture
def runs(tmp_path):
    """Two runs that differ in what they cost alone."""
    for seconds, results in enumerate((tmp_path / "a", tmp_path / "b"), 1):
        for name in RULES:
            write(results, name, seconds=seconds)
    return tmp_path / "a", tmp_path / "b"


def test_runs_that_differ_in_time_and_memory_alone_do_not_differ(runs):
    assert list(differences(*runs)) == []


def test_the_first_stage_is_named_with_the_largest_difference(runs, monkeypatch, capsys):
    first, second = runs
    for name in (TABLE, RECORDS, DELTA):
        write(second, name, change=-0.25, inputs="others" if name != DELTA else "i")
    every = list(differences(*runs))
    assert [each.name for each in every] == [DELTA, RECORDS, TABLE]
    assert every[0].how == "differs by up to 0.25 in layer (settings, code and inputs are the same)"
    assert every[1].how == "differs by up to 0.25 in scores (inputs differ)"
    monkeypatch.setattr(sys, "argv", ["compare", str(first), str(second)])
    with pytest.raises(SystemExit, match="1"):
        compare.main()
    said = capsys.readouterr().out
    assert said.startswith(f"The first stage that differs is unlearn:\n  {DELTA} differs by up to 0.25 in layer")
    assert said.endswith("Behind it 2 artefacts differ.\n")


@pytest.mark.parametrize(("key", "said"), [("settings", "settings differ"), ("code", "the code differs")])
def test_what_an_artefact_was_made_from_is_said(runs, key, said):
    write(runs[1], FACTS, change=1.0, **{key: "others"})
    (only,) = differences(*runs)
    assert str(only) == f"unlearn: {FACTS} differs by up to 1 in weight_change ({said})"


def test_what_one_run_lacks_is_named(runs):
    shutil.rmtree(runs[1] / "records")
    (only,) = differences(*runs)
    assert (only.name, only.how) == (RECORDS, f"is in {runs[0]} alone")


@pytest.mark.parametrize("damage", ["a", "b"])
def test_a_damaged_artefact_is_no_difference(runs, tmp_path, damage):
    write(runs[1], DELTA, change=1.0)
    path = tmp_path / damage / DELTA
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match=f"{damage}/{DELTA} has .* bytes instead of"):
        list(differences(*runs))


def test_a_folder_without_artefacts_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="holds no artefacts with seals"):
        list(differences(tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"x": [1.0, 2.0]}, {"x": [1.0, 2.0]}, ""),
        ({"x": [1.0, None]}, {"x": [1.0, None]}, ""),
        ({"x": [1.0, None]}, {"x": [1.0, 2.0]}, "differs in x"),
        ({"x": [1.0, 2.0]}, {"y": [1.0, 2.0]}, "differs in what it has: x, y"),
        ({"x": [1.0, 2.0]}, {"x": [1.0]}, "differs in x"),
        (
            {"x": [1.0, 2.0], "t": ["a", "b"]},
            {"x": [1.0, 2.5], "t": ["a", "c"]},
            "differs by up to 0.5 in x; differs in t",
        ),
        ({"x": [True, False]}, {"x": [True, True]}, "differs by up to 1 in x"),
        ({"seconds": [1.0]}, {"seconds": [2.0]}, ""),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_how_much_two_tables_differ(tmp_path, ours, theirs, said, form):
    paths = [tmp_path / f"{name}.{form}" for name in "ab"]
    for path, columns in zip(paths, (ours, theirs), strict=True):
        table = pandas.DataFrame(columns)
        table.to_csv(path, index=False) if form == "csv" else table.to_parquet(path)
    assert how_much(*paths) == said


def test_every_rule_that_computes_has_its_place_in_the_flow():
    text = "\n".join(
        path.read_text() for path in (ROOT / "rules").glob("*.smk") if path.stem not in ("figures", "plan")
    )
    rules = set(re.findall(r"^rule (\w+):", text, re.M))
    ends = {"tune", "choose_tuned", "tuning", "export", "export_attacked", "publish"}  # no stage is behind them
    assert rules - ends == set(STAGES)
