import math

import numpy
import pandas
import pytest
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.accuracy import token_effects
from unlearning_robustness.analysis.pooled import pooled
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.report.claims import page, register
from unlearning_robustness.report.context import ReportContext

YES, NO, SMALLER, OPEN = "reproduced", "not reproduced", "shown to be smaller", "cannot be decided"
CLAIM = {
    "statement": "A token harms.", "source": "abstract", "table": "token_effects", "where": {"contrast": "token"},
    "each": ["method"], "expects": "below", "least": 0.03, "minus": 0.0,
}  # fmt: skip
PLACE = {"model": "m", "benchmark": "b"}


def answers(method, harmed, seed, probe):
    """Retain answers of 60 facts, of which a forget token takes some; others under another seed."""
    wrong = numpy.zeros(60, dtype=bool)
    if probe == "forget-token" and harmed:
        wrong[seed : seed + harmed] = True
    return pandas.DataFrame({
        **PLACE, "method": method, "defence": "none", "seed": seed, "attack": "none", "documents": 0, "steps": 0,
        "setting": "", "probe": probe, "role": "retain", "fact": [f"f{fact:02}" for fact in range(60)],
        "question": [f"q{fact:02}" for fact in range(60)], "correct": ~wrong,
    })  # fmt: skip


def tables_of(harms, claims, seeds=(0, 1, 2)):
    """The tables of a study whose methods lose so many of 60 answers to a forget token."""
    probes = ("plain", "forget-token", "neutral-token")
    records = pandas.concat([answers(method, harmed, seed, probe) for method, harmed in harms.items()
                             for seed in seeds for probe in probes])  # fmt: skip
    inputs = inputs_of(records, analysis() | {"claims": claims})
    return {"token_effects": token_effects(inputs), "pooled": pooled(inputs), "attack_validity": pandas.DataFrame()}


def registered(harms, seeds=(0, 1, 2), **changes):
    claims = {"harm": CLAIM | changes}
    return register(claims, tables_of(harms, claims, seeds)).set_index("subject")


def test_all_subjects_together_decide_and_each_has_its_own_verdict():
    table = registered({"rmu": 30, "npo": 2})
    assert table["decided"].to_dict() == {"all together": YES, "rmu": YES, "npo": OPEN}
    assert set(table["verdict"]) == {YES} and table.loc["all together", "mean"] == pytest.approx(-32 / 120)
    assert (table["facts"] == 60).all() and (table["seeds"] == 3).all() and (table["shows from"] > 0).all()
    # Averaged over methods an effect is known more exactly than of one of them.
    assert table.loc["all together", "shows from"] < table.loc["rmu", "shows from"]
    assert registered({"rmu": 0, "npo": 0})["verdict"].iloc[0] == OPEN
    assert registered({"rmu": 0, "npo": 0}, least=0.1)["verdict"].iloc[0] == SMALLER


def test_where_a_subject_shows_the_opposite_the_claim_stays_open():
    table = registered({"rmu": 40, "npo": 0}, expects="within", least=0.4)
    assert table["decided"].to_dict() == {"all together": YES, "npo": YES, "rmu": NO}
    assert table["verdict"].iloc[0] == OPEN and "the opposite is shown for rmu" in table["why"].iloc[0]


def test_one_seed_decides_nothing_but_about_the_reference():
    table = registered({"rmu": 30}, seeds=(0,))
    assert table["verdict"].iloc[0] == OPEN and "one seed" in table["why"].iloc[0]
    assert table["shows from"].tolist() == [math.inf, math.inf]
    assert registered({"reference": 30}, seeds=(0,))["verdict"].iloc[0] == YES


def test_what_an_effect_is_compared_with_is_taken_off():
    table = registered({"rmu": 30}, minus=-0.8)
    assert table["mean"].tolist() == pytest.approx([0.3, 0.3]) and table["verdict"].iloc[0] == NO


def test_claims_are_corrected_for_how_many_there_are():
    effect = {
        "mean": -0.1,
        "low": -0.19,
        "high": -0.01,
        "error": 0.045,
        "freedom": 40.0,
        "p": 0.032,
        "facts": 60,
        "seeds": 3,
    }
    rows = pandas.DataFrame([{"method": "rmu", "contrast": "token", **effect}])
    claims = {name: CLAIM for name in ("one", "two")}
    averages = pandas.DataFrame([{"claim": name, **effect} for name in claims])
    tables = {"token_effects": rows, "pooled": averages, "attack_validity": pandas.DataFrame()}
    both, alone = register(claims, tables), register({"one": CLAIM}, tables)
    assert set(both["verdict"]) == {OPEN} and set(alone["verdict"]) == {YES}
    assert both["shows from"].iloc[0] > alone["shows from"].iloc[0]


def test_what_is_no_mean_is_averaged_as_if_its_errors_were_one():
    rows = pandas.DataFrame({"method": ["rmu", "npo"], "mean": [0.5, 0.7], "low": [0.3, 0.5], "high": [0.7, 0.9]})
    claim = CLAIM | {"table": "sharpness_correlations", "where": {}, "expects": "above", "least": 0.3}
    table = register(
        {"sharp": claim},
        {"sharpness_correlations": rows, "pooled": pandas.DataFrame(), "attack_validity": pandas.DataFrame()},
    )
    assert table["mean"].tolist() == pytest.approx([0.6, 0.5, 0.7]) and set(table["verdict"]) == {YES}
    assert table["low"].tolist() == pytest.approx([0.4, 0.3, 0.5])


def test_the_reference_which_has_no_seeds_leaves_nothing_open():
    numbers = {"mean": 0.5, "low": 0.3, "high": 0.7}
    rows = pandas.DataFrame([{"method": "reference", "seeds": 1, **numbers}, {"method": "rmu", "seeds": 3, **numbers}])
    claim = CLAIM | {"table": "latents", "where": {}, "expects": "above"}
    table = register(
        {"trace": claim}, {"latents": rows, "pooled": pandas.DataFrame(), "attack_validity": pandas.DataFrame()}
    )
    assert set(table["decided"]) == {YES} and table["seeds"].tolist() == [3, 1, 3]


def test_what_is_not_measured_is_open():
    claims = {"harm": CLAIM | {"where": {"method": "rsv"}}}
    table = register(claims, tables_of({"rmu": 30}, claims))
    assert table["verdict"].tolist() == [OPEN] and table["subject"].tolist() == ["not measured"]


def test_a_claim_about_a_column_that_does_not_exist_is_one_line():
    claims = {"harm": CLAIM | {"where": {"metod": 1}}}
    with pytest.raises(ConfigError, match=r"claims\.harm\.where, table token_effects: .* no column 'metod'"):
        register(claims, tables_of({"rmu": 30}, {}))


def test_the_page_states_counts_rules_effects_and_what_is_shown():
    claims = {"harm": CLAIM, "less": CLAIM | {"expects": "above"}, "more": CLAIM | {"where": {"contrast": "control"}}}
    text = page(ReportContext({}, {"claims": claims}, every_measure=tables_of({"rmu": 30, "npo": 26}, claims)))
    assert "3 claims: 1 reproduced, 1 not reproduced, 0 shown to be smaller, 1 cannot be decided" in text
    assert "## reproduced: A token harms." in text and "contrast = token" in text and "| rmu | -0.500 |" in text
    assert "## cannot be decided with 3 seeds, 60 facts: A token harms." in text and "shows from" in text


def validity(**valid):
    rows = [{"method": name, "defence": "none", "attack": "relearn", "valid": fine} for name, fine in valid.items()]
    return pandas.DataFrame(rows)


GAIN = {"attack": "relearn", "quantity": "gap", "mean": 0.2, "low": 0.1, "high": 0.3, "seeds": 3, "facts": 60}


def test_there_is_no_verdict_on_an_attack_that_failed_its_teaching_control():
    claim = CLAIM | {"table": "recovery", "where": {"quantity": "gap"}, "expects": "above"}
    rows = pandas.DataFrame([{"method": name, "defence": "none", **GAIN} for name in ("rmu", "npo")])
    tables = {"recovery": rows, "pooled": pandas.DataFrame(), "attack_validity": pandas.DataFrame()}
    table = register({"gain": claim}, tables | {"attack_validity": validity(rmu=True, npo=False)})
    assert dict(zip(table["subject"], table["decided"], strict=True)) == {
        "all together": "no verdict", "rmu": YES, "npo": "no verdict"
    }  # fmt: skip
    assert set(table["verdict"]) == {"no verdict"}
    assert set(table["why"]) == {"the attack failed its teaching control on npo/none"}
    for fine in (validity(rmu=True, npo=True), validity(dpo=False)):
        assert set(register({"gain": claim}, tables | {"attack_validity": fine})["verdict"]) == {YES}


def test_a_difference_has_no_verdict_where_the_attack_failed_on_either_side():
    claim = CLAIM | {"table": "recovery_differences", "where": {"quantity": "gap"}, "expects": "above"}
    rows = pandas.DataFrame([{"method": "rmu", "first": "rna", "second": "none", **GAIN}])
    tables = {"recovery_differences": rows, "pooled": pandas.DataFrame(), "attack_validity": pandas.DataFrame()}
    for failed in ("rna", "none"):
        failing = validity(rmu=False).assign(defence=failed)
        table = register({"gain": claim}, tables | {"attack_validity": failing})
        assert set(table["why"]) == {f"the attack failed its teaching control on rmu/{failed}"}
    tables |= {"attack_validity": failing}
    text = page(ReportContext(tables, {"claims": {"gain": claim}}, every_measure=tables))
    assert "## no verdict: the attack failed its teaching control on rmu/none: A token harms." in text
    assert "1 no verdict" in text
