"""What `make` runs, read without running it."""

import re
import subprocess

import pytest
from running import REPORT_RULES
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
    assert {f"tables_{group}" for group in prefixed.split()} | set(others.split()) >= {*REPORT_RULES, "figures"}
