"""The README fits on two screens, names every study, and cites what CITATION.cff has."""

import re

import yaml
from pages import PAGES, ROOT

from unlearning_robustness.analysis import TABLES

README = (ROOT / "README.md").read_text()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_every_study_stands_in_the_table_of_studies():
    table = README.partition("## Studies")[2].partition("## ")[0]
    rows = set(
        re.findall(r"`([a-z0-9-]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    assert rows - {"study"} == {path.stem for path in (ROOT / "studies").glob("*.yaml")}


def test_the_map_has_every_room():
    rooms = re.findall(r"^\| … (.*?) \|", README, re.M)
    package = ROOT / "src" / "unlearning_robustness"
    assert set(re.findall(r"`(\w+)`", " ".join(rooms))) == {path.parent.name for path in package.glob("*/__init__.py")}


def test_tables_that_pages_name_are_made():
    text = "".join(path.read_text() for path in PAGES)
    named = set(re.findall(r"\b[Tt]able\s+`(\w+)`", text))
    assert len(named) > 6
    assert named <= set(TABLES)


def test_the_readme_cites_what_the_citation_file_has():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    section = " ".join(README.partition("## Cite")[2].split())
    assert citation["license"] in section
    assert len(citation["references"]) == 2
    for reference in citation["references"]:
        assert reference["title"] in section
        assert reference["identifiers"][0]["value"].replace(":", " ") in section


def test_every_folder_of_results_is_written_by_a_rule():
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "results" / "README.md").read_text(), re.M)
    folders = set(re.findall(r"`([a-z_]+)/", " ".join(rows)))
    files = [*(ROOT / "rules").glob("*.smk"), *(ROOT / "src").glob("*/workflow/*.py")]
    rules = "".join(path.read_text() for path in files)
    assert len(folders) > 8
    for folder in folders:
        assert re.search(rf"[}}/]/?{folder}\b", rules), folder
