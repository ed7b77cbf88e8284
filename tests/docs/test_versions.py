"""The version stands in three files, which `make release` keeps alike; the catalog's file is what the catalog reads."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = ("Makefile", "CITATION.cff", "CHANGELOG.md", "src/unlearning_robustness/__init__.py")


def versions(root):
    package = (root / "src" / "unlearning_robustness" / "__init__.py").read_text()
    cited = yaml.safe_load((root / "CITATION.cff").read_text())["version"]
    changes = re.findall(r"^## (\d.*)$", (root / "CHANGELOG.md").read_text(), re.M)
    return [*re.findall(r'^__version__ = "(.*)"$', package, re.M), cited, changes[0]]


@pytest.fixture
def repository(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for command in ("init -q", "config user.name tester", "config user.email a@b.c", "add -A", "commit -qm begin"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    return tmp_path


def release(repository, version):
    command = ["make", "release", f"VERSION={version}"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_all_files_have_one_version():
    assert len(set(versions(ROOT))) == 1 and len(versions(ROOT)) == 3


def test_a_release_writes_the_version_everywhere_and_tags_it(repository):
    done = release(repository, "12.0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert versions(repository) == ["12.0.1"] * 3
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=repository, capture_output=True, text=True)
    assert tags.stdout.split() == ["v12.0.1"]
    assert "## Unreleased\n\n## 12.0.1\n\n" in (repository / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(("version", "said"), [("", "say which"), ("next", "say which"), ("1.0.0", "git status")])
def test_a_release_without_a_number_or_of_uncommitted_work_is_refused(repository, version, said):
    if said == "git status":
        (repository / "CITATION.cff").write_text("changed")
    done = release(repository, version)
    assert done.returncode != 0 and said in done.stdout
    assert subprocess.run(["git", "tag"], cwd=repository, capture_output=True, text=True).stdout == ""


def test_the_catalogs_file_says_what_the_workflow_needs():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True and usage["software-stack-deployment"]["conda"] is True
    assert usage["mandatory-flags"]["flags"] == ""


def test_every_key_that_is_called_otherwise_stands_in_the_list_of_changes():
    from unlearning_robustness.config.schema import RENAMED

    text = (ROOT / "CHANGELOG.md").read_text()
    for before, now in RENAMED.items():
        assert before in text and all(name in text for name in now), before
