import pandas
import pytest

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.report.claims import decide, overall, page, register
from unlearning_robustness.report.context import ReportContext

YES, NO, OPEN = "reproduced", "not reproduced", "inconclusive"


@pytest.mark.parametrize(
    ("expects", "low", "high", "verdict"),
    [
        ("above", 0.01, 0.20, YES),
        ("above", 0.01, 0.02, YES),
        ("above", -0.10, 0.02, NO),
        ("above", -0.01, 0.10, OPEN),
        ("above", -0.30, -0.10, NO),
        ("below", -0.20, -0.01, YES),
        ("below", -0.02, 0.10, NO),
        ("below", -0.10, 0.01, OPEN),
        ("within", -0.02, 0.02, YES),
        ("within", 0.03, 0.20, NO),
        ("within", -0.20, -0.03, NO),
        ("within", -0.02, 0.10, OPEN),
    ],
)
def test_the_rule_reads_the_whole_interval(expects, low, high, verdict):
    assert decide(expects, 0.03, low, high) == verdict


def test_one_contradiction_decides_and_one_doubt_leaves_open():
    assert (
        overall([YES, YES]) == YES
        and overall([YES, NO, OPEN]) == NO
        and overall([YES, OPEN]) == OPEN
        and overall([]) == OPEN
    )


TABLES = {
    "token_effects": pandas.DataFrame(
        {
            "method": ["rmu", "npo", "rmu"], "contrast": ["token", "token", "control"],
            "mean": [-0.3, -0.01, 0.0], "low": [-0.4, -0.06, 0.0], "high": [-0.2, 0.04, 0.0],
        }
    )
}  # fmt: skip
CLAIM = {
    "statement": "A token harms.", "source": "abstract", "table": "token_effects", "where": {"contrast": "token"},
    "each": ["method"], "expects": "below", "least": 0.03, "minus": 0.0,
}  # fmt: skip


def test_every_subject_is_decided_and_the_claim_with_it():
    table = register({"harm": CLAIM}, TABLES)
    assert table["subject"].tolist() == ["rmu", "npo"] and table["decided"].tolist() == [YES, OPEN]
    assert set(table["verdict"]) == {OPEN} and table["mean"].tolist() == [-0.3, -0.01]
    only = {**CLAIM, "where": {"contrast": "token", "method": ["rmu"]}}
    assert register({"harm": only}, TABLES)["verdict"].tolist() == [YES]


def test_what_an_effect_is_compared_with_is_taken_off():
    table = register({"harm": {**CLAIM, "where": {"method": "rmu", "contrast": "token"}, "minus": -0.5}}, TABLES)
    assert table["mean"].tolist() == pytest.approx([0.2]) and table["decided"].tolist() == [NO]


def test_what_is_not_measured_is_inconclusive():
    table = register({"harm": {**CLAIM, "where": {"method": "rsv"}}}, TABLES)
    assert table["verdict"].tolist() == [OPEN] and table["subject"].tolist() == ["not measured"]


def test_a_claim_about_a_column_that_does_not_exist_is_one_line():
    with pytest.raises(ConfigError, match=r"claims\.harm\.where: table token_effects has no column 'metod'"):
        register({"harm": {**CLAIM, "where": {"metod": 1}}}, TABLES)


def test_the_page_states_counts_rules_and_effects():
    text = page(ReportContext(TABLES, {"claims": {"harm": CLAIM}}))
    assert "1 claims: 0 reproduced, 0 not reproduced, 1 inconclusive" in text
    assert "## inconclusive: A token harms." in text and "contrast = token" in text and "| rmu | -0.300 |" in text
