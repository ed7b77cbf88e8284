import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r'```\w+ title="(?P<path>[^"]+)"(?: (?P<how>before|replace)="(?P<at>[^"]+)")?\n(?P<text>.*?)```', re.S
)


def follow(page: Path, root: Path) -> list[str]:
    """Do what the page says in a copy of the repository; returns the files it wrote or changed."""
    done = []
    for fence in FENCE.finditer(page.read_text()):
        path = root / fence["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = fence["text"]
        if fence["how"]:
            before = path.read_text()
            assert before.count(fence["at"]) == 1, f"{fence['at']!r} must stand once in {fence['path']}"
            text = before.replace(fence["at"], text + fence["at"] if fence["how"] == "before" else text.rstrip())
        path.write_text(text)
        done.append(fence["path"])
    return done


def run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_the_page_on_adding_a_method_works_as_written(tmp_path):
    names = ["src", "tests", "rules", "workflow_scripts", "schemas", "envs", "report", "profiles", "studies"]
    for name in names:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    changed = follow(ROOT / "docs" / "add-a-method.md", tmp_path)
    assert len(changed) == 5
    run([sys.executable, "-m", "pytest", "-q", "tests/methods/test_rerouting.py"], tmp_path)
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    jobs = run([snakemake, "--dry-run", "--configfile", "studies/rerouting.yaml"], tmp_path)
    assert re.search(r"unlearn\s+2\b", jobs)
    assert re.search(r"attack\s+2\b", jobs)
