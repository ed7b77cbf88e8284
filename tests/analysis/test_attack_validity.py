import pandas
import pytest
from synthetic import inputs_of
from synthetic_measures import searched

from unlearning_robustness.analysis.attack_validity import attack_validity

KIND = ("m", "b", "rmu", "none")
ATTACKS = {"relearn": {"search": "relearning"}, "seen": {"search": "relearning"}, "gcg": {"search": "none"}}


def table(after=0.9, taught=0.5, attacks=("relearn", "gcg")):
    kinds = [KIND, ("m", "b", "reference", "none")]
    names = ("model", "benchmark", "method", "defence")
    answer = {"split": "test", "correct": True, "probability": 1.0}
    records = pandas.DataFrame([{**dict(zip(names, kind, strict=True)), "attack": attack, **answer}
                                for kind in kinds for attack in ("none", *attacks) for _ in range(3)])  # fmt: skip
    searches = [searched((*kind, "relearning"), after) for kind in kinds]
    settings = {"attacks": ATTACKS, "searches": {"relearning": {"taught": taught}}}
    return attack_validity(inputs_of(records, settings, searches=searches)).set_index(["method", "attack"])


def test_a_row_says_what_was_chosen_and_what_teaching_did():
    rows = table(attacks=("relearn", "seen", "gcg"))
    assert list(rows.index) == [("reference", "relearn"), ("reference", "seen"), ("rmu", "relearn"), ("rmu", "seen")]
    row = rows.loc["rmu", "relearn"]
    assert row["setting"] == "learning_rate 0.0005, trained full" and row["trials"] == 2 and row["steps"] == 10
    assert (row["forget"], row["left"], row["optimism_forget"]) == (0.7, 0.8, 0.05)
    # The attack leaves 0.8 of the reference.
    assert row["regained"] == pytest.approx((0.9 - 0.4) / (0.8 - 0.4))


@pytest.mark.parametrize(("after", "valid"), [(0.9, True), (0.6, True), (0.59, False), (0.2, False)])
def test_an_attack_that_teaching_cannot_lift_half_way_is_invalid(after, valid):
    rows = table(after)
    assert rows.loc["rmu", "relearn"]["valid"] == valid and rows.loc["reference", "relearn"]["valid"]
    assert table(after, taught=0.9).loc["rmu", "relearn"]["valid"] == (after == 0.9)


def test_without_a_search_there_is_no_row():
    assert table(attacks=("gcg",)).empty
