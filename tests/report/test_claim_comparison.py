"""Two registers with planted verdicts, side by side."""

import pandas
import pytest

from unlearning_robustness.report.claim_comparison import comparison, in_words
from unlearning_robustness.report.claims import COLUMNS, NOT_MEASURED, POOLED

CLAIM = {"statement": "A token harms.", "expects": "below", "least": 0.03}
NAMES = ("world", "laptop")
# What a register says of a claim: verdict, why, subject, mean, low, high, smallest effect that is shown.
SHOWN = ("reproduced", "", POOLED, -0.30, -0.35, -0.25, 0.05)
NOT = ("not reproduced", "", POOLED, 0.10, 0.05, 0.15, 0.05)
SMALL = ("shown to be smaller", "", POOLED, 0.0, -0.01, 0.01, 0.01)
OPEN = ("cannot be decided", "", POOLED, -0.20, -0.50, 0.10, 0.40)
UNMEASURED = ("cannot be decided", NOT_MEASURED, NOT_MEASURED, *[float("nan")] * 4)
FAILED = ("no verdict", "the attack failed its teaching control on rmu", POOLED, -0.2, -0.5, 0.1, 0.4)


def register(said):
    verdict, why, subject, mean, low, high, smallest = said
    values = ["harm", verdict, why, subject, verdict, mean, low, high, smallest, 8, 300]
    own = dict(zip(COLUMNS, values, strict=True))
    return pandas.DataFrame([own, {**own, "subject": "rmu", "mean": 9.0}])


def compared(first, second, **changes):
    table = comparison(NAMES, ({"harm": CLAIM}, {"harm": CLAIM | changes}), (register(first), register(second)))
    assert len(table) == 1
    return table.iloc[0]


@pytest.mark.parametrize(
    ("first", "second", "relation", "reason"),
    [
        (SHOWN, SHOWN, "agree", ""),
        (NOT, SMALL, "agree", ""),
        (SHOWN, NOT, "disagree", "the effects differ beyond what chance explains"),
        (SHOWN, OPEN, "only world can tell", "power: world shows effects from 0.05, laptop shows effects from 0.4"),
        (OPEN, SMALL, "only laptop can tell", "power: world shows effects from 0.4, laptop shows effects from 0.01"),
        (OPEN, OPEN, "neither can tell", "power: world shows effects from 0.4, laptop shows effects from 0.4"),
        (SHOWN, UNMEASURED, "only world can tell", "laptop does not measure it"),
        (FAILED, NOT, "only laptop can tell", "world: the attack failed its teaching control on rmu"),
    ],
)
def test_every_pair_of_verdicts_has_its_relation_and_its_likeliest_reason(first, second, relation, reason):
    row = compared(first, second)
    assert (row["relation"], row["likeliest reason"]) == (relation, reason)
    assert row["first verdict"] == first[0] and row["second verdict"] == second[0]


@pytest.mark.parametrize(("second", "begins"), [(NOT, "the effects differ"), (OPEN, "power: ")])
def test_subjects_of_one_study_alone_may_be_the_reason(second, begins):
    registers = register(SHOWN), register(second).replace({"subject": {"rmu": "npo"}})
    reason = comparison(NAMES, ({"harm": CLAIM}, {"harm": CLAIM}), registers)["likeliest reason"].iloc[0]
    assert reason.startswith(begins) and reason.endswith("; other subjects: npo; rmu in one alone")


def test_disagreement_under_different_rules_is_laid_to_the_rules():
    assert compared(SHOWN, NOT, least=0.1)["likeliest reason"] == "the rules differ: expects or least"


def test_the_effect_of_all_subjects_is_compared_and_claims_of_one_study_are_left_out():
    claims = {"harm": CLAIM, "own": CLAIM}
    table = comparison(NAMES, (claims, {"harm": CLAIM}), (register(SHOWN), register(NOT)))
    assert table["claim"].tolist() == ["harm"] and table["first mean"].tolist() == [-0.30]


def test_the_page_counts_relations_and_has_both_effects_in_a_row():
    table = comparison(NAMES, ({"harm": CLAIM}, {"harm": CLAIM}), (register(SHOWN), register(UNMEASURED)))
    text = in_words(NAMES, table)
    assert text.startswith("# Claims of world and laptop\n") and "only world can tell 1" in text
    row = next(line for line in text.splitlines() if line.startswith("| A token harms."))
    assert "reproduced: -0.300 [-0.350, -0.250] | cannot be decided | only world can tell" in row
