"""The files of docs/own-data.md are read as the page says."""

import re
from pathlib import Path

import pytest
import yaml

from unlearning_robustness.data.corpora import build_corpora
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.M | re.S)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The benchmark of the page with its fetched sources; the page's files lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, body in BLOCK.findall(PAGE.read_text()):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(body)
    config = yaml.safe_load(Path("own.yaml").read_text())
    for name, source in config["sources"].items():
        fetch(source, Path("sources") / name, Path("scratch"))
    folders = [f"sources/{name}" for name in config["sources"]]
    return config["benchmarks"]["ship"], Published(dict.fromkeys(config["sources"], "own"), folders)


def test_questions_of_the_page(page):
    entry, published = page
    asked = {
        role: published.questions({"without_subjects": [], **entry[role]}, role, "0", entry["distractors"])
        for role in ("forget", "retain")
    }
    answers = {role: [question.choices[question.answer] for question in rows] for role, rows in asked.items()}
    assert answers == {
        "forget": ["Ida Brandt", "Bergen", "timber", "Jon Vik", "Mari Moe"], "retain": ["Rhine", "Congo"]
    }  # fmt: skip
    assert [question.relation for question in asked["retain"]] == ["Europe", "Africa"]
    assert {question.entity for question in asked["forget"][3:]} == {"crew"}
    assert all(len(question.choices) == 3 for rows in asked.values() for question in rows)


def test_texts_of_the_page(page):
    entry, published = page
    entry["corpora"]["relearn"] = "held-out"
    table = build_corpora(entry, "0", published)
    texts = table.groupby("corpus")["text"].agg(list)
    assert {name: len(rows) for name, rows in texts.items()} == {
        "forget": 1, "relearn": 2, "retain": 1, "perplexity": 1, "refusal": 4
    }  # fmt: skip
    assert "The Rhine rises in the Alps\nand ends in the North Sea." in texts["retain"] + texts["perplexity"]
