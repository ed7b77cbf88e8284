"""The workflow as a module of another one, which lies in another folder and runs in a third; paths have spaces."""

import re
import shutil

import pandas
import pytest
from running import ROOT, planned, snakemake

IMPORTING = """
module study:
    snakefile: "../our repository/Snakefile"
    config: {{"study": {{"seeds": [0], "title": "imported"}}}}
{prefix}

use rule * from study{renamed}

onstart:
    study.onstart()

rule mine:
    default_target: True
    input: "{folder}results/corpora/elements.parquet"
    output: "mine.txt"
    shell: "wc -c < {{input:q}} > {{output}}"
"""
PLAIN = {"prefix": "", "renamed": "", "folder": ""}
PREFIXED = {"prefix": '    prefix: "in side"', "renamed": " as other_*", "folder": "in side/"}
FOLDERS = ("src", "rules", "workflow_scripts", "schemas", "envs", "report", "studies")


@pytest.fixture(scope="module")
def importing(tmp_path_factory):
    """Writes a workflow that imports a copy of this one."""
    root = tmp_path_factory.mktemp("a path with spaces")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / "our repository" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, root / "our repository")

    def write(**form):
        snakefile = root / "an importing workflow" / "Snakefile"
        snakefile.parent.mkdir(exist_ok=True)
        snakefile.write_text(IMPORTING.format(**form))
        return snakefile

    return write


@pytest.mark.parametrize("form", [PLAIN, PREFIXED], ids=["plain", "prefixed"])
def test_an_importing_workflow_has_all_jobs_below_its_prefix(importing, tmp_path, form):
    name = "other_all" if form["renamed"] else "all"
    result = snakemake("--dry-run", "--", name, folder=tmp_path, snakefile=importing(**form))
    printed = result.stdout + result.stderr
    counts = re.findall(r"^(?:other_)?(\w+)\s+(\d+)$", printed.split("Job stats:")[1].split("total")[0], re.M)
    assert {rule: int(count) for rule, count in counts if rule != "all"} == planned(folder=tmp_path)
    outputs = re.findall(r"^    output: (.*)", printed, re.M)
    assert len(outputs) > 40
    assert all(path.startswith(form["folder"]) for line in outputs for path in line.split(", "))


def test_the_example_of_the_page_is_planned(importing, tmp_path):
    (example,) = re.findall(r'```python title="Snakefile"\n(.*?)```', (ROOT / "docs" / "module.md").read_text(), re.S)
    snakefile = importing(**PLAIN)
    snakefile.write_text(example.replace("unlearning-robustness/", "../our repository/"))
    result = snakemake("--dry-run", folder=tmp_path, snakefile=snakefile)
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", result.stdout + result.stderr, re.M))
    assert counts["compare"] == "1" and counts["robustness_unlearn"] == "10"


def test_a_job_of_the_imported_workflow_runs_and_says_what_is_left(importing, tmp_path):
    folder = tmp_path / "a third folder"
    folder.mkdir()
    result = snakemake("--cores", "1", folder=folder, snakefile=importing(**PREFIXED))
    assert "jobs left: 2" in result.stdout + result.stderr
    corpora = pandas.read_parquet(folder / "in side" / "results" / "corpora" / "elements.parquet")
    assert (corpora["corpus"] == "retain").sum() == 400
    assert "retain" in (folder / "in side" / "results" / "logs" / "build_corpora" / "elements.log").read_text()
    assert int((folder / "mine.txt").read_text()) > 10_000


def test_scratch_folders_lie_below_the_prefix_too(importing, tmp_path):
    from unlearning_robustness.workflow.study import Study

    study = Study({}, ROOT, lambda path: f"in side/{path}")
    assert study.paths.scratch == "in side/results/scratch" and study.paths.fetching == "in side/resources/scratch"
    assert study.paths.corpora == "results/corpora/{benchmark}.parquet"


def test_a_wrong_configuration_of_a_module_stops_with_one_line(importing, tmp_path):
    snakefile = importing(**PLAIN)
    snakefile.write_text(snakefile.read_text().replace('"seeds": [0]', '"seeds": "none"'))
    result = snakemake("--dry-run", folder=tmp_path, snakefile=snakefile, check=False)
    printed = result.stdout + result.stderr
    assert result.returncode != 0 and "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("configuration: ")]
    assert line.startswith("configuration: study.seeds: "), line
