"""`make compare-claims`: the register of one study against itself, and what cannot be compared."""

from pathlib import Path

import pandas
import pytest
from worlds import study_world

from studies import load_study
from unlearning_robustness.workflow.compare_claims import compare, main, study_of


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The tables of the planted RNA study, where that study writes them."""
    folder = tmp_path / load_study("rna")["study"]["results"] / "tables"
    folder.mkdir(parents=True)
    for name, table in study_world("rna").tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_study_agrees_with_itself_wherever_it_can_tell(tables, capsys):
    results = load_study("rna")["study"]["results"]
    assert main([results, "rna"]) == 0
    (page,) = map(Path, capsys.readouterr().out.split())
    table = pandas.read_csv(page.with_suffix(".csv"))
    assert sorted(table["claim"]) == sorted(load_study("rna")["claims"])
    assert set(table["relation"]) == {"agree", "neither can tell"}
    assert (table["first verdict"] == table["second verdict"]).all()
    assert table["first mean"].equals(table["second mean"])
    assert page.read_text().count("<tr>") == 1 + len(table) and page.with_suffix(".md").is_file()


def test_a_results_folder_and_a_name_are_the_same_study():
    assert study_of("results").config["study"]["name"] == study_of("default").config["study"]["name"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (["rna"], "name two studies"),
        (["results/nowhere", "rna"], "results/nowhere: no study has this name"),
        (["default", "rna"], "this study registers no claims"),
        (["rna", "rna"], "is not there yet; run the study first"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(named, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(named) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line


def test_nothing_is_written_for_studies_without_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="run the study first"):
        compare("rna", "rna")
    assert not list(tmp_path.iterdir())
