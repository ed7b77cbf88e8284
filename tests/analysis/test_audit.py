from dataclasses import replace
from functools import cache
from unittest import mock

import pytest
import synthetic
from synthetic import planted_context, raw_config

from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import REFERENCE
from unlearning_robustness.report.audit import page

# Shares of forget questions that a model answers without an attack, and after the last steps of relearning.
KNOWS = {REFERENCE: (0.95, 0.9), "copy": (0.95, 0.9), "shallow": (0.4, 0.95), "deep": (0.4, 0.41), "never": (0.4, 0.4)}
UNLEARNED = [name for name in KNOWS if name != REFERENCE]


def audited() -> dict:
    """A study of models that were unlearned elsewhere, every attack's strength chosen on select."""
    config = raw_config()
    entries = {"license": "none", "note": "none"}
    config["models"] |= {name: {"path": name, **entries} for name in UNLEARNED}
    config["methods"] |= {name: {"label": name.capitalize(), "checkpoint": name} for name in UNLEARNED}
    config["study"]["cells"] = [{"methods": list(KNOWS), "defences": ["none"], "attacks": ["none", "relearn"]}]
    config["attacks"]["relearn"]["roles"] = ["forget", "retain"]
    config["scoring"] = {"splits": ["select", "test"]}
    config["analysis"] |= {"bootstrap_samples": 200}
    return resolve(config)


def accuracy(cell, attack, role, probe, steps):
    before, after = KNOWS[cell.method]
    return 0.9 if role != "forget" else before + (after - before) * steps / 15


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Its records, in which every model is unsure of the same questions, its tables and its page."""
    config = audited()
    config["analysis"]["yardstick"] = "never"
    drawn = synthetic.chances.__wrapped__
    with mock.patch.multiple(synthetic, FACTS=200, chances=cache(lambda _, *asked: drawn(REFERENCE, *asked))):
        context = planted_context(config, tmp_path_factory.mktemp("audit"), accuracy)
    return replace(context, matrices={"earlier": context.tables["matrix"]})


def test_every_difference_is_that_of_the_accuracies(world):
    plain = world.records.query("attack == 'none' and probe == 'plain' and split == 'test'")
    means = plain.groupby(["method", "role"])["correct"].mean()
    table = world.tables["audit"].query("attack == 'none' and probe == 'plain'")
    assert set(zip(table["method"], table["against"], strict=True)) == {
        (method, against) for method in UNLEARNED for against in (REFERENCE, "never") if method != "never"
    }
    for _, row in table.iterrows():
        level, other = means[row["method"], row["role"]], means[row["against"], row["role"]]
        assert (row["level"], row["other"], row["mean"]) == pytest.approx((level, other, level - other))


def section(world, method):
    text = page(world)
    begin = text.index(f"## {method.capitalize()}")
    return text[begin : text.index("\n## ", begin + 1)]


@pytest.mark.parametrize(
    ("method", "phrases"),
    [
        ("copy", ["+0.0 points", "no difference from the reference is shown", "so the knowledge is still there",
                  "more than a model that never knew would", "knowledge was left in it"]),
        ("shallow", ["it forgot", "After 15 steps on 60 documents (relearning on 60 documents) Shallow answers",
                     "the attack brings knowledge back", "so the knowledge is still there",
                     "knowledge was left in it"]),
        ("deep", ["it forgot", "so not all of it comes back", "that any knowledge was left is not shown",
                  "not shown to differ from a model that never knew"]),
    ],
)  # fmt: skip
def test_the_sentences_say_what_was_planted(world, method, phrases):
    text = section(world, method)
    assert [phrase for phrase in phrases if phrase not in text] == [], text


@pytest.mark.parametrize(
    ("change", "doubt"), [(-0.5, "costs too much utility"), (-0.02, "failed its positive control")]
)
def test_an_attack_that_does_not_count_is_said_to_with_its_reason(world, change, doubt):
    matrix = world.tables["matrix"]
    attacked = (matrix["method"] == "deep") & (matrix["column"] == "relearn")
    doubted = matrix.assign(
        valid=matrix["valid"].mask(attacked, False), retain_change=matrix["retain_change"].mask(attacked, change)
    )
    context = replace(world, tables={**world.tables, "matrix": doubted})
    assert f"It does not count: it {doubt}." in section(context, "deep")
    assert page(context).count(doubt) == 2 and "does not count" not in page(world)


def test_the_matrix_of_an_earlier_study_stands_below_the_rows_of_this_one(world):
    rows = [line for line in page(world).split("## Beside other models")[1].splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 2 * len(KNOWS)
    assert rows[0].startswith("| this one | reference | ") and rows[-1].startswith("| earlier | never, none |")
