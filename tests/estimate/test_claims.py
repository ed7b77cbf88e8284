"""What the claims of a study can show: one row for each, by the formula that simulations confirm."""

import math

import pytest

from studies import load_study
from unlearning_robustness.analysis.power import confirmable, detectable, detectable_correlation
from unlearning_robustness.config import resolve
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.estimate.claims import FIXED, GAINS, SHARE, UNATTACKED, claims_of, facts_asked, resolutions
from unlearning_robustness.estimate.jobs import Domain

DOMAINS = {"elements": Domain(118, 590, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}


def rows_of(name, **study):
    config = load_study(name)
    config["study"] |= study
    config = resolve(config)
    return config, {(row.claim, row.benchmark): row for row in resolutions(config, DOMAINS)}


def test_every_claim_and_every_published_number_of_the_paper_studies_has_its_row():
    for name, published in (("rna-paper", 11), ("stableun-paper", 6)):
        config, rows = rows_of(name)
        claims = {(claim, benchmark) for claim in config["claims"] for benchmark in config["study"]["benchmarks"]}
        assert len(expected_of(config)) == published and len(rows) == len(claims) + published and claims <= set(rows)
        text = claims_of(config, DOMAINS)
        assert all(claim in text for claim, _ in rows) and len(text.split("\n\n")[0].splitlines()) == len(rows) + 1


def test_a_row_follows_the_formula_at_the_questions_and_seeds_of_the_study():
    config, rows = rows_of("rna-paper")
    confidence = config["analysis"]["confidence"]
    repairs = rows["rna-repairs", "wmdp"]
    assert (repairs.seeds, repairs.units, repairs.matters) == (3, 2000, 0.03)
    assert repairs.smallest == detectable(UNATTACKED, 3, 2000, confidence) and repairs.verdict == "no"
    assert detectable(UNATTACKED, int(repairs.needed), 2000, confidence) <= 0.03
    assert detectable(UNATTACKED, int(repairs.needed) - 1, 2000, confidence) > 0.03
    # Fewer questions are asked with an option that is a forget word, and `within` asks for more.
    assert rows["rna-repairs-options", "wmdp"].units == 500
    assert rows["rna-keeps-forgetting", "wmdp"].smallest == confirmable(UNATTACKED, 3, 3260, confidence)
    assert rows["rna-is-not-easier-to-relearn", "wmdp"].smallest == confirmable(GAINS, 3, 3260, confidence)
    half = rows["rna-rejects-at-most-half", "wmdp"]
    assert half.smallest == detectable(SHARE, 3, 2000, confidence) and (half.matters, half.verdict) == (0.5, "yes")
    assert rows["residual-is-gaussian", "wmdp"].verdict == "not known before"


def test_the_reference_is_the_same_under_every_seed():
    config, rows = rows_of("rna-paper")
    row = rows["published: zephyr-mmlu", "wmdp"]
    assert (row.seeds, row.units) == (1, 2000) and row.smallest == pytest.approx(2.8 * 0.5 / 2000**0.5, rel=0.01)
    assert row.smallest == detectable(FIXED, 1, 2000, config["analysis"]["confidence"])


def test_a_correlation_counts_defences_and_one_seed_shows_nothing():
    config, rows = rows_of("stableun-paper", seeds=[0])
    row = rows["sharpness-predicts-recovery", "wmdp-bio"]
    assert row.units == 12 and row.smallest == detectable_correlation(12, config["analysis"]["confidence"])
    assert rows["stableun-regains-less", "wmdp-bio"].smallest == math.inf and "never" in claims_of(config, DOMAINS)


def test_facts_are_counted_once_however_often_they_are_asked():
    config = resolve(load_study("rna"))
    whole = facts_asked(config, "elements", "forget", "plain", DOMAINS)
    config["benchmarks"]["elements"]["forget"]["templates_asked"] = 2
    assert facts_asked(config, "elements", "forget", "plain", DOMAINS) == whole
    assert facts_asked(config, "elements", "retain", "option-forget", DOMAINS) == 60


def test_a_study_without_claims_has_no_table():
    assert claims_of(resolve(load_study("ci")), DOMAINS) == ""
