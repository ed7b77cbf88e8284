"""Which of a study's figures and tables the papers have, and what they are called."""

import pytest

from studies import ROOT, load_study
from unlearning_robustness.config.constants import constant
from unlearning_robustness.report.paper_tables import CAPTIONS, READS
from unlearning_robustness.workflow.papers import TABLES
from unlearning_robustness.workflow.study import Study


def papers_of(name):
    return Study(load_study(name), ROOT).papers


@pytest.mark.parametrize(
    ("study", "figures", "tables"),
    [
        ("rna-controls", {"assumption": "rna-figure-9"}, ["rna-main"]),
        ("rna", {"tradeoff": "rna-figure-1"}, ["rna-main"]),
        ("stableun-controls", {"landscape-plane": "stableun-figure-2"}, ["stableun-main"]),
        ("muse", {"memorisation": "stableun"}, ["stableun-main", "stableun-muse"]),
        ("tofu", {}, ["stableun-main", "stableun-muse"]),
        ("matrix", {}, ["rna-attacks"]),
        ("world", {}, []),
    ],
)
def test_figures_have_the_papers_numbers(study, figures, tables):
    papers = papers_of(study)
    assert figures.items() <= papers.figures.items()
    assert set(tables) <= set(papers.tables)
    assert ("stableun-muse" in papers.tables) == bool(papers.report.config["study"]["memorisation"])


def test_every_figure_is_there_in_three_formats():
    papers = papers_of("rna")
    names = {path.rsplit("/", 1)[1] for path in papers.files}
    assert {f"rna-figure-1-tradeoff.{kind}" for kind in ("svg", "pdf", "png")} <= names
    assert "rna-main.tex" in names
    assert all("/rna/papers/smollm2-135m-instruct/elements/" in path for path in papers.files)


def test_the_papers_tables_are_named_without_importing_them():
    assert constant(TABLES, "READS") == READS
    assert READS.keys() == CAPTIONS.keys()
