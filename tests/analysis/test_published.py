import pandas
import pytest
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.published import COLUMNS, published
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.published import page

CELL = {"model": "big", "benchmark": "wmdp", "method": "rmu", "defence": "none"}
SOURCE = {"paper": "a paper", "place": "Table 1", "note": ""}


def answers(correct: list[int], relation="biology", attack="none", steps=0, setting="", **cell) -> pandas.DataFrame:
    """Two seeds with the same answers."""
    facts = [f"{relation}/{number}" for number in range(len(correct))]
    frame = pandas.DataFrame({"fact": facts, "question": facts, "correct": correct, "relation": relation})
    frame = frame.assign(**{**CELL, **cell}, role="forget", probe="plain", attack=attack, documents=min(steps, 1) * 60)
    frame = frame.assign(steps=steps, setting=setting)
    return pandas.concat([frame.assign(seed=seed) for seed in (0, 1)])


def entry(value, tolerance=0.0, quantity="accuracy", source=SOURCE, cell=CELL, **of) -> dict:
    of = {"role": "forget", "probe": "plain", "attack": "none"} | of
    return {
        **cell,
        "study": "s",
        "quantity": quantity,
        "of": of,
        "value": value,
        "tolerance": tolerance,
        "source": source,
    }


# 40 of 100 biology questions are right, 10 of 50 about cybersecurity; after 5 steps 70, after 10 steps 90.
RECORDS = pandas.concat(
    [
        answers([1] * 40 + [0] * 60),
        answers([1] * 10 + [0] * 40, relation="cybersecurity"),
        answers([1] * 70 + [0] * 30, attack="relearn", steps=5),
        answers([1] * 90 + [0] * 10, attack="relearn", steps=10),
        answers([1] * 50 + [0] * 50, attack="quantise", setting="8 bits"),
        answers([1] * 30 + [0] * 70, attack="quantise", setting="4 bits"),
        answers([1] * 100, defence="rna"),
    ]
)


def compared(entries: dict) -> pandas.DataFrame:
    return published(inputs_of(RECORDS, analysis(bootstrap_samples=1000, seed=3) | {"expected": entries}))


def row(**changes) -> pandas.Series:
    return compared({"one": entry(**changes)}).iloc[0]


def test_ours_is_the_mean_over_what_the_entry_names_and_the_difference_is_ours_less_theirs():
    biology, both = row(value=0.3, relation="biology"), row(value=0.3)
    assert biology["mean"] == pytest.approx(0.4) and biology["difference"] == pytest.approx(0.1)
    assert both["mean"] == pytest.approx(50 / 150)
    # The interval of a share of 0.4 in 100 answers, alike under both seeds.
    assert biology["high"] - biology["low"] == pytest.approx(2 * 1.96 * (0.4 * 0.6 / 100) ** 0.5, rel=0.1)


def test_theirs_is_within_our_interval_widened_by_the_tolerance_on_both_sides():
    ours = row(value=0.4, relation="biology")
    for edge, outwards in ((ours["low"], -1), (ours["high"], 1)):
        beyond = edge + outwards * 0.05
        assert row(value=edge - outwards * 1e-6, relation="biology")["within"] == "yes"
        assert row(value=beyond, relation="biology")["within"] == "no"
        assert row(value=beyond, tolerance=0.049, relation="biology")["within"] == "no"
        assert row(value=beyond, tolerance=0.051, relation="biology")["within"] == "yes"


def test_an_attack_is_read_at_the_budget_that_is_named_and_a_gain_is_paired_with_the_same_questions():
    assert row(value=0.5, attack="relearn", steps=5)["mean"] == pytest.approx(0.7)
    gain = row(value=0.5, attack="relearn", steps=10, quantity="gain")
    assert gain["mean"] == pytest.approx(0.5) and gain["within"] == "yes"
    # 50 of 100 questions change, always upwards: the spread is that of a share, not of two independent ones.
    assert gain["high"] - gain["low"] == pytest.approx(2 * 1.96 * (0.5 * 0.5 / 100) ** 0.5, rel=0.1)


def test_budgets_are_never_averaged():
    for attack in ("relearn", "quantise"):
        several = row(value=0.5, attack=attack)
        assert several["within"] == "several budgets" and pandas.isna(several["mean"])


def test_what_was_not_run_says_so_and_no_entry_is_an_empty_table():
    missing = row(value=0.5, cell={**CELL, "model": "bigger"})
    assert missing["within"] == "not run" and pandas.isna(missing["difference"])
    empty = compared({})
    assert list(empty.columns) == COLUMNS and empty.empty


def test_the_page_sets_them_side_by_side_with_the_source_and_calls_nothing_passed():
    noted = {**SOURCE, "note": "read off a figure"}
    entries = {
        "bio": entry(0.312, 0.026, relation="biology"),
        "other": entry(0.9, source=noted, attack="relearn", steps=5, cell={**CELL, "defence": "rna"}),
    }
    settings = {"methods": {"rmu": {"label": "RMU"}}, "defences": {"rna": {"label": "RNA"}}}
    text = page(ReportContext({"published": compared(entries)}, settings))
    lines = text.splitlines()
    (biology,) = [line for line in lines if line.startswith("| RMU |")]
    assert "| forget accuracy, biology | 31.2 ± 2.6 | 40.0 [" in biology and "| +8.8 | yes |" in biology
    assert "| RMU + RNA | forget accuracy, after relearn (5 steps) | 90.0 ± 0.0 |  |  | not run |" in text
    assert "a paper, Table 1 (read off a figure)" in text
    assert not {"pass", "fail", "failed", "passed"} & set(text.lower().split())
    assert "No published number names this model" in page(ReportContext({"published": compared({})}, settings))
