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


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The page's files lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, body in BLOCK.findall(PAGE.read_text()):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(body)


def fetched(sources):
    """What reads the fetched sources."""
    for name, source in sources.items():
        fetch(source, Path("sources") / name, Path("scratch"))
    readers = {name: source.get("reader", "own") for name, source in sources.items()}
    return Published(readers, [f"sources/{name}" for name in sources])


@pytest.fixture
def page():
    """The benchmark of the page with its fetched sources."""
    config = yaml.safe_load(Path("own.yaml").read_text())
    return config["benchmarks"]["ship"], fetched(config["sources"])


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


def test_published_sets_of_the_page():
    published = fetched(yaml.safe_load(Path("sets.yaml").read_text())["sources"])
    entry = {"splits": {"test": 1}, "without_subjects": [], "max_facts": {}}

    def asked(part, distractors=None):
        (question,) = published.questions({**entry, "items": [part]}, "forget", "0", distractors)
        return question.relation, question.choices[question.answer], question.prompt.split("\n")[-3:]

    assert asked("mmlu-csv/anatomy") == ("anatomy", "B", ["C. ulna", "D. talus", "Answer:"])
    assert asked("arc/easy") == ("easy", "A", ["A. heat", "B. frost", "Answer:"])
    assert asked("wmdp/bio") == ("biology", "B", ["C. brick", "D. wave", "Answer:"])
    assert asked("mmlu/test") == ("number theory", "C", ["C. 7", "D. 9", "Answer:"])
    assert asked("tofu/forget", 3) == ("tofu", "Her birthplace is Oslo.", ["Question: Where was she born?", "Answer:"])
