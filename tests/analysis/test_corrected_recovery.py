import pandas
import pytest
from answers_of_models import answers, knowing
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.corrected_recovery import NAMES, corrected_recovery
from unlearning_robustness.analysis.pooled import pooled

SETTINGS = analysis(yardstick="retrained")
SHARES = {("rmu", 0): 0.4, ("rmu", 10): 0.8, ("retrained", 0): 0.3, ("retrained", 10): 0.5,
          ("reference", 0): 1.0, ("reference", 10): 0.9}  # fmt: skip


def relearned(shares=SHARES, seeds=(0, 1)):
    """Of 40 facts each model knows the first share before and after ten steps, for certain, and no others."""
    parts = []
    for (method, steps), share in shares.items():
        for seed in seeds if steps or method == "rmu" else seeds[:1]:
            scores = knowing(40, 30.0, share, seed=seed)
            scores[round(40 * share) :, 1] += 60
            attack = {"attack": "relearn", "steps": steps, "documents": 60} if steps else {}
            parts.append(answers(scores, method, seed, **attack))
    return pandas.concat(parts, ignore_index=True)


def test_what_an_attack_teaches_the_yardstick_is_taken_off():
    rows = corrected_recovery(inputs_of(relearned(), SETTINGS)).set_index(["method", "quantity"])
    assert rows["mean"].to_dict() == pytest.approx({
        ("retrained", "false_positive"): 0.2, ("rmu", "corrected"): 0.3, ("rmu", "corrected_gain"): 0.2,
        ("reference", "corrected"): 0.4, ("reference", "corrected_gain"): -0.3,
    })  # fmt: skip
    assert set(rows["seeds"]) == {2} and set(rows["facts"]) == {40} and set(rows["steps"]) == {10}
    # By the first twelve facts, which both know, they do not differ: pairing leaves the twelve that only one knows.
    assert 0.1 < rows.loc[("rmu", "corrected"), "low"] < 0.3 < rows.loc[("rmu", "corrected"), "high"] < 0.5


def test_a_cell_that_answers_as_the_yardstick_does_has_recovered_nothing():
    shares = {("rmu", 0): 0.3, ("rmu", 10): 0.5, ("retrained", 0): 0.3, ("retrained", 10): 0.5}
    rows = corrected_recovery(inputs_of(relearned(shares), SETTINGS)).set_index(["method", "quantity"])
    assert rows.loc[("rmu", "corrected"), "mean"] == rows.loc[("rmu", "corrected_gain"), "mean"] == 0.0
    assert rows.loc[("rmu", "corrected"), "low"] < 0 < rows.loc[("rmu", "corrected"), "high"]


def test_attacks_that_the_yardstick_did_not_meet_and_studies_without_one_have_no_row():
    without = relearned({key: share for key, share in SHARES.items() if key != ("retrained", 10)})
    assert corrected_recovery(inputs_of(without, SETTINGS)).empty
    table = corrected_recovery(inputs_of(relearned(), analysis()))
    assert table.empty and list(table.columns[: len(NAMES)]) == NAMES


def test_a_claim_can_name_the_corrected_recovery():
    where = {"method": "rmu", "attack": "relearn", "steps": 10, "quantity": "corrected"}
    claims = {"recovers": {"table": "corrected_recovery", "where": where, "minus": 0.1}}
    row = pooled(inputs_of(relearned(), SETTINGS | {"probes": {}, "claims": claims})).iloc[0]
    assert row["mean"] == pytest.approx(0.2) and row["subjects"] == 1
