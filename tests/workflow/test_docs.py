"""The page on extending the study works as written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r'```\w+ title="(?P<path>[^"]+)"\n(?P<text>.*?)```', re.S)
COPIED = ["src", "tests", "rules", "workflow_scripts", "schemas", "envs", "report", "profiles", "studies"]
COPIED += ["Snakefile", "config.yaml", "pyproject.toml"]


def follow(page: Path, root: Path) -> list[str]:
    """Write the files that the page shows into a copy of the repository; returns their paths."""
    written = []
    for fence in FENCE.finditer(page.read_text()):
        path = root / fence["path"]
        assert not path.exists(), f"{path.name} is there already: an example adds files and changes none"
        path.write_text(fence["text"])
        written.append(fence["path"])
    return written


def run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.slow
def test_each_example_is_a_file_a_test_and_an_entry_and_is_in_plan_tables_figures_and_report(tmp_path):
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    written = follow(ROOT / "docs" / "extend.md", tmp_path)
    tests = [path for path in written if path.startswith("tests/")]
    assert len(tests) == 4 and len(written) == 9
    run([sys.executable, "-m", "ruff", "check", *(path for path in written if path.endswith(".py"))], tmp_path)
    looking = "tests/workflow/extended.py"
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, looking], tmp_path)
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    jobs = run([snakemake, "--dry-run", "--configfile", "studies/extended.yaml"], tmp_path)
    assert re.search(r"unlearn\s+6\b", jobs) and re.search(r"attack\s+14\b", jobs) and re.search(r"figure\s+5\b", jobs)
