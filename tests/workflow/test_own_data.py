"""What is said of one's own files, and refused in them, before the first job."""

import json

import pytest

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.errors import DataError, FetchError
from unlearning_robustness.workflow.own_data import read_own_data

QUESTION = {"question": "Which is {}?", "choices": ["w", "x", "y", "z"], "answer": 1}


@pytest.fixture
def config(tmp_path):
    """The study own with 30 questions of each role and 100 texts of each kind."""
    config = load_study("own")
    config["sources"]["mine"]["path"] = str(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    for role in ("forget", "retain"):
        write(tmp_path, f"{role}-questions", [{**QUESTION, "question": f"Which is {n} of {role}?"} for n in range(30)])
        write(tmp_path, f"{role}-texts", [{"text": f"This is text number {n} of {role}."} for n in range(100)])
    return config


def write(folder, name, rows):
    (folder / "mine" / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def said(config):
    resolved = resolve(config)
    return read_own_data(resolved, [("dataset", resolved["sources"]["mine"]), ("model", {"hub": {}})])


def test_sizes_are_said_before_the_first_job_and_nothing_is_left_behind(config, tmp_path, capsys):
    config["benchmarks"]["own"]["retain"] |= {"max_facts": {"test": 5}}
    assert said(config) == [
        "own: questions: forget 10 select, 20 test; retain 10 select, 5 test; texts: 75 forget, 25 relearn, 75 retain, "
        "25 perplexity"
    ]
    assert capsys.readouterr().out == "" and {path.name for path in tmp_path.iterdir()} == {"mine"}


def test_nothing_is_read_where_nothing_is_fetched_from_this_machine(config):
    resolved = resolve(config)
    assert read_own_data(resolved, []) == read_own_data(resolved, [("dataset", {"hub": {}})]) == []


def test_what_jobs_would_refuse_is_refused(config, tmp_path):
    write(tmp_path, "forget-texts", [{"text": f"This is text number {n} of few."} for n in range(40)])
    with pytest.raises(DataError) as raised:
        said(config)
    assert str(raised.value) == (
        "attacks.relearn.parameters.documents: 20 texts of relearn are needed, and benchmark own has 10: lower this "
        "number, leave it out, or give more"
    )
    write(tmp_path, "retain-questions", [QUESTION, {**QUESTION, "answer": None}])
    write(tmp_path, "forget-texts", [{"text": f"This is text number {n} of many."} for n in range(100)])
    with pytest.raises(DataError) as raised:
        said(config)
    assert str(raised.value) == (
        "mine/retain-questions: retain-questions.jsonl, line 2: the answer is null: write it, or leave the row out"
    )
    (tmp_path / "mine" / "forget-texts.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(FetchError) as raised:
        said(config)
    assert str(raised.value) == "forget-texts.jsonl: line 1 is not UTF-8: save the file as UTF-8"
