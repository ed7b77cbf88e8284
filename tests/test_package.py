"""The package as pip installs it: the workflow lies in it, and runs in the folder where it is called."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
SHIPPED = ("Snakefile", "config.yaml", "envs", "profiles", "report", "rules", "schemas", "studies", "workflow_scripts")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_the_wheel_has_the_package_and_every_file_of_the_workflow(installed):
    listed = subprocess.run(["git", "ls-files", "src", *SHIPPED], cwd=ROOT, capture_output=True, text=True, check=True)
    package = installed / "unlearning_robustness"
    held = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    of_clone = listed.stdout.splitlines()
    assert held == {
        path.removeprefix("src/unlearning_robustness/") if path.startswith("src/") else f"shipped/{path}"
        for path in of_clone
    }


def test_a_study_is_planned_in_an_empty_folder(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "unlearning_robustness.command", "plan", "ci"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith((tmp_path / "results/ci/logs/plan.log").read_text())
    assert {path.name for path in tmp_path.iterdir()} == {".snakemake", "results"}
