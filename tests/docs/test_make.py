"""What `make` runs, read without running it."""

import re
import shutil
import subprocess

import pytest
import yaml
from running import FIGURE_RULES
from synthetic import raw_config

from studies import ROOT, STUDIES, load_study


@pytest.mark.parametrize("study", ["", *sorted(path.stem for path in STUDIES.glob("*.yaml"))])
def test_make_looks_for_what_a_study_made_in_its_results_folder(study):
    commands = ["make", "--dry-run", f"STUDY={study}", "plan", "tune"]
    said = subprocess.run(commands, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    config = load_study(study) if study else raw_config()
    results = config["study"]["results"]
    assert {line for line in said.splitlines() if line.startswith("cat ")} == {
        f"cat {results}/logs/plan.log",
        f"cat {results}/logs/tuning.log",
    }


def test_figures_are_made_by_every_rule_of_tables_and_pages():
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("FIGURE_RULES"))
    prefixed, others = re.fullmatch(r"FIGURE_RULES := \$\(addprefix tables_,(.*?)\) (.*)", line).groups()
    assert {f"tables_{group}" for group in prefixed.split()} | set(others.split()) == FIGURE_RULES


def test_a_new_study_is_the_preset_under_its_name_and_nothing_is_overwritten(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "studies").mkdir()
    shutil.copy(STUDIES / "own.yaml", tmp_path / "studies")

    def make(name):
        done = subprocess.run(
            ["make", "--no-print-directory", "new", f"STUDY={name}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    assert make("two-rivers") == (0, ["Done. Fill in the ten lines of studies/two-rivers.yaml."])
    text = (tmp_path / "studies" / "two-rivers.yaml").read_text()
    preset = load_study("own")
    preset["study"] |= {"name": "two-rivers", "results": "results/two-rivers"}
    assert yaml.safe_load(text)["study"] == preset["study"] | {}
    assert [number for number in range(1, 11) if text.count(f"({number})") < 1] == []
    assert make("two-rivers") == (
        2, ["error: studies/two-rivers.yaml is there already: edit it, or take another name"]
    )  # fmt: skip
    assert make("Two") == (2, ["error: say which, in small letters: make new STUDY=mine"])
