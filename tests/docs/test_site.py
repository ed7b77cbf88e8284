"""The site of the documentation: every link of a page holds in it, and strict mkdocs builds it."""

import os
import subprocess
import sys

import pytest

from studies import ROOT
from unlearning_robustness.workflow.site_pages import linked, rewritten, rooms, site_path

MODULE = "src/unlearning_robustness/engine/engine.py"


@pytest.mark.parametrize(
    ("page", "link", "target"),
    [
        ("docs/cost.md", "measurement.md#intervals", "measurement.md#intervals"),
        ("docs/cost.md", "../config.yaml", "repository/config.yaml"),
        ("docs/cost.md", f"../{MODULE}", "api/engine.md#unlearning_robustness.engine.engine"),
        ("docs/results/rna.md", "../cost.md", "../cost.md"),
        ("docs/results/rna.md", f"../../{MODULE}", "../api/engine.md#unlearning_robustness.engine.engine"),
        ("docs/python.md", "../src/unlearning_robustness/interface.py",
         "api/unlearning_robustness.md#unlearning_robustness.interface"),
        ("CHANGELOG.md", "docs/audit.md", "../audit.md"),
    ],
)  # fmt: skip
def test_a_link_leads_to_where_the_file_is_in_the_site(page, link, target):
    assert rewritten(f"See [it]({link}).", page) == f"See [it]({target})."


@pytest.mark.parametrize("kept", ["[a](https://b.c/d)", "[a](#below)", "```\n[a](../config.yaml)\n```"])
def test_other_addresses_and_code_stay(kept):
    assert rewritten(f"One.\n\n{kept}\n", "docs/cost.md") == f"One.\n\n{kept}\n" and not linked(kept, "docs/cost.md")


def test_every_module_stands_on_the_page_of_its_room():
    for room, modules in rooms().items():
        for module in modules:
            path = "src/" + module.replace(".", "/")
            file = f"{path}.py" if (ROOT / f"{path}.py").is_file() else f"{path}/__init__.py"
            assert (ROOT / file).is_file() and site_path(file) == f"api/{room}.md#{module}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="make docs installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "QuestionScorer" in (tmp_path / "api" / "scoring.html").read_text()
