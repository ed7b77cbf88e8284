"""The command line: what it writes, what it starts, and its exit codes."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas
import pytest
import torch
from safetensors.torch import load_file

from unlearning_robustness import command
from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.scoring.records import COLUMNS

ROOT = Path(__file__).parents[1]
NAMES = ("Arbo", "Belt", "Cirn", "Dusk")
QUESTIONS = [{"question": f"Where is {name}?", "choices": ["north", "south"], "answer": 0} for name in NAMES]
COMMANDS = ("run", "plan", "report", "audit", "unlearn", "attack", "evaluate")


@pytest.fixture(scope="module")
def folder(make_model, tiny_tokenizer, tmp_path_factory):
    """A model, questions and texts."""
    folder = tmp_path_factory.mktemp("own")
    write_folder(make_model(seed=1), tiny_tokenizer, folder / "model", {})
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (folder / "forget.txt").write_text("\n\n".join(f"{name} lies in the north." for name in NAMES))
    (folder / "retain.txt").write_text("Rain falls.\n\nBread is baked.\n\nLamps shine.\n\nRivers run.\n")
    return folder


def run(folder, name, *more, **options):
    """The exit code of a subcommand; options are files of the folder where these are there."""
    files = {key: folder / value if (folder / value).exists() else value for key, value in options.items()}
    return command.main([name, *(str(word) for key, file in files.items() for word in (f"--{key}", file)), *more])


def test_a_model_is_unlearned_asked_and_attacked_in_three_commands(folder, tmp_path, capsys):
    output, asked = tmp_path / "unlearned", {"questions": "questions.jsonl"}
    texts = {"forget": "forget.txt", "retain": "retain.txt"}
    assert run(folder, "unlearn", "--set", "steps=3", model="model", **texts, output=output) == 0
    assert "tensors changed" in capsys.readouterr().out
    before, after = (load_file(path / "model.safetensors") for path in (folder / "model", output))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1)}
    assert run(folder, "evaluate", model=str(output), **asked, output=tmp_path / "plain.parquet") == 0
    plain = pandas.read_parquet(tmp_path / "plain.parquet")
    assert tuple(plain.columns) == COLUMNS and len(plain) == 4
    right = int(plain["correct"].sum())
    assert f"as it is: {right} of 4 right, {25 * right} %" in capsys.readouterr().out
    attacked = {"model": str(output), "texts": "forget.txt", "output": tmp_path / "attacked.parquet"}
    assert run(folder, "attack", "--set", "steps=[0, 2]", **attacked, **asked) == 0
    records = pandas.read_parquet(tmp_path / "attacked.parquet")
    assert records.groupby("steps").size().to_dict() == {0: 4, 2: 4} and set(records["documents"]) == {4}
    start = records[records["steps"] == 0]
    assert start["prediction"].tolist() == plain["prediction"].tolist()


REFUSED = {
    "no study nowhere; there are: audit, ci,": ["plan", "nowhere"],
    "say which: make audit MODEL=": ["audit"],
    "there is no file": ["evaluate", "--model", "MODEL", "--questions", "absent", "--output", "o"],
    "is no folder": ["evaluate", "--model", "absent", "--questions", "QUESTIONS", "--output", "o"],
    "--set steps: give KEY=VALUE, such as steps=20": [
        "attack", "--model", "MODEL", "--questions", "QUESTIONS", "--output", "o", "--set", "steps",
    ],
    "attacks: no 'hope'": [
        "attack", "--model", "MODEL", "--questions", "QUESTIONS", "--output", "o", "--attack", "hope",
    ],
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_a_person_can_mend_is_one_line_and_exit_code_2(folder, capsys, said):
    paths = {"MODEL": str(folder / "model"), "QUESTIONS": str(folder / "questions.jsonl")}
    assert command.main([paths.get(word, word) for word in REFUSED[said]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line


def test_a_file_of_questions_is_refused_by_its_line(folder, tmp_path, capsys):
    (tmp_path / "bad.jsonl").write_text(json.dumps({**QUESTIONS[0], "answer": "east"}) + "\n")
    assert run(folder, "evaluate", model="model", questions=tmp_path / "bad.jsonl", output="o") == 2
    assert "line 1" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "targets"), [("run", []), ("plan", ["--quiet", "all", "--", "plan"])])
def test_a_study_is_run_by_snakemake_in_this_folder(monkeypatch, tmp_path, name, targets):
    monkeypatch.chdir(tmp_path)
    started, codes = [], {"run": [0, 0], "plan": [1]}[name]

    def record(arguments, check):
        started.append(arguments)
        return subprocess.CompletedProcess(arguments, codes.pop(0))

    monkeypatch.setattr(command.subprocess, "run", record)
    assert command.main([name, "ci", "--cores", "2"]) == (1 if name == "plan" else 0)
    first = started[0]
    assert first[:3] == [sys.executable, "-m", "snakemake"] and str(ROOT / "Snakefile") in first
    overlay = ["--cores", "2", "--configfile", str(ROOT / "studies" / "ci.yaml")]
    assert first[-len(overlay + targets) :] == overlay + targets
    assert [arguments[-2:] for arguments in started[1:]] == (
        [["--report", "results/ci/report.zip"]] if name == "run" else []
    )


def test_a_failing_study_gets_no_report(monkeypatch):
    started = []
    monkeypatch.setattr(
        command.subprocess, "run", lambda arguments, check: started.append(1) or subprocess.CompletedProcess([], 1)
    )
    assert command.main(["run", "ci"]) == 1 and started == [1]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_option(name, capsys):
    with pytest.raises(SystemExit) as done:
        command.main([name, "--help"])
    assert done.value.code == 0
    parser = command.parser()._subparsers._group_actions[0].choices[name]
    assert parser.description and all(action.help for action in parser._actions)


def test_the_package_installs_the_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"unlearning-robustness": "unlearning_robustness.command:main"}
    assert set(command.parser()._subparsers._group_actions[0].choices) == set(COMMANDS)
    with pytest.raises(SystemExit) as done:
        command.main(["sing"])
    assert done.value.code == 2
