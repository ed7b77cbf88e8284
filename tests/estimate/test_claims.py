"""What the claims of a study can show: one row for each, by the formula that simulations confirm."""

import math

import pytest
from synthetic import raw_config

from studies import load_study
from unlearning_robustness.analysis.power import confirmable, detectable, detectable_correlation, smallest_effect
from unlearning_robustness.config import resolve
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.estimate.claims import (
    FIXED,
    GAIN,
    GAINS,
    NARROWER,
    SHARE,
    UNATTACKED,
    claims_of,
    facts_asked,
    resolutions,
    undecidable,
)
from unlearning_robustness.estimate.jobs import Domain
from unlearning_robustness.estimate.subjects import subjects_of

DOMAINS = {"elements": Domain(118, 847, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}


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


def test_a_row_follows_the_formula_at_the_questions_seeds_and_subjects_of_the_study():
    config, rows = rows_of("rna-paper")
    # Beside all other claims, and of an average over the methods that were trained both ways.
    confidence = 1 - 0.05 / len(config["claims"])
    repairs = rows["rna-repairs", "wmdp"]
    spread = UNATTACKED.pooled(repairs.subjects)
    assert (repairs.seeds, repairs.units, repairs.matters) == (3, 2000, 0.05) and repairs.subjects > 1
    assert repairs.smallest == detectable(spread, 3, 2000, confidence)
    assert repairs.by_probability == pytest.approx(NARROWER * repairs.smallest)
    assert repairs.smallest < detectable(UNATTACKED, 3, 2000, confidence)
    assert detectable(spread, int(repairs.needed), 2000, confidence) <= 0.05
    assert detectable(spread, int(repairs.needed) - 1, 2000, confidence) > 0.05
    # Fewer questions are asked with an option that is a forget word, and `within` asks for more.
    assert rows["rna-repairs-options", "wmdp"].units == 500
    assert rows["rna-keeps-forgetting", "wmdp"].smallest == confirmable(spread, 3, 3260, confidence)
    easier = rows["rna-is-not-easier-to-relearn", "wmdp"]
    # This one is decided by the right choice's probability.
    gains = GAINS.pooled(easier.subjects).scaled(NARROWER)
    assert easier.smallest == confirmable(gains, 3, 3260, confidence)
    half = rows["rna-rejects-at-most-half", "wmdp"]
    assert half.smallest == detectable(SHARE, 3, 2000, confidence) and half.by_probability is None
    assert rows["residual-is-gaussian", "wmdp"].verdict == "not known before"


def test_where_models_are_replicates_a_claim_is_about_their_mean():
    config, rows = rows_of("world")
    assert {benchmark for _, benchmark in rows} == {"3 models"} and len(rows) == len(config["claims"])
    row, confidence = rows["relearning-recovers", "3 models"], 1 - 0.05 / len(config["claims"])
    spread = GAIN.pooled(row.subjects)
    assert row.smallest == detectable(spread, 8, row.units, confidence, models=3)
    alone, error = detectable(spread, 8, row.units, confidence), spread.standard_error(8, row.units)
    # A third of the variance, and three times the degrees of freedom.
    freedom = spread.degrees_of_freedom(8, row.units)
    assert row.smallest == pytest.approx(smallest_effect(error / 3**0.5, 3 * freedom, confidence))
    assert row.smallest < alone / 3**0.5


def test_a_claim_on_the_probability_is_decided_by_its_own_spread():
    config = load_study("rna-paper")
    config["claims"]["rna-repairs"]["where"]["measure"] = "probability"
    (row,) = (row for row in resolutions(resolve(config), DOMAINS) if row.claim == "rna-repairs")
    assert row.smallest == row.by_probability


@pytest.mark.parametrize(
    ("where", "subjects"),
    [
        ({"defence": "none"}, 4),  # the reference too
        ({"defence": "none", "method": ["rmu", "rsv"]}, 2),
        ({"first": "rna", "second": "none"}, 3),
        ({"first": "rna", "second": ["early-stop", "none"], "method": "rmu"}, 2),
        ({"first": "rna", "second": "none", "attack": "relearn"}, 2),
        ({"first": "rna", "second": "sam"}, 1),
    ],
)
def test_subjects_are_what_the_grids_have_of_what_a_claim_names(where, subjects):
    config = resolve(raw_config())
    assert subjects_of(config, {"where": where}, "elements") == subjects


def test_a_study_says_in_one_line_which_claims_it_can_hardly_decide():
    config, rows = rows_of("rna-paper")
    line = undecidable(config, DOMAINS)
    open_ = [claim for (claim, _), row in rows.items() if row.verdict == "no" and claim in config["claims"]]
    assert open_ and "\n" not in line and all(claim in line for claim in open_)
    assert line.startswith(f"{len(open_)} of {len(config['claims'])} claims can hardly be decided with 3 seed(s): ")
    assert not any(claim in line for (claim, _), row in rows.items() if row.verdict == "yes")
    assert undecidable(resolve(load_study("ci")), DOMAINS) == ""
    # Of a claim on few facts no number of seeds is enough, and the plan says so.
    config["probes"]["option-forget"]["max_facts"] = 20
    row = next(row for row in claims_of(config, DOMAINS).splitlines() if row.startswith("rna-repairs-options"))
    assert row.split()[-2:] == ["no", "none"]


def test_the_reference_is_the_same_under_every_seed():
    config, rows = rows_of("rna-paper")
    row = rows["published: zephyr-mmlu", "wmdp"]
    assert (row.seeds, row.units) == (1, 2000) and row.smallest == pytest.approx(2.8 * 0.5 / 2000**0.5, rel=0.01)
    assert row.smallest == detectable(FIXED, 1, 2000, config["analysis"]["confidence"])


def test_a_correlation_counts_defences_and_one_seed_shows_nothing():
    config, rows = rows_of("stableun-paper", seeds=[0])
    row = rows["sharpness-predicts-recovery", "wmdp-bio"]
    assert row.units == 12 and row.smallest == detectable_correlation(12, 1 - 0.05 / len(config["claims"]))
    assert rows["stableun-regains-less", "wmdp-bio"].smallest == math.inf and "never" in claims_of(config, DOMAINS)


def test_facts_are_counted_once_however_often_they_are_asked():
    config = resolve(load_study("rna"))
    whole = facts_asked(config, "elements", "forget", "plain", DOMAINS)
    config["benchmarks"]["elements"]["forget"]["templates_asked"] = 2
    assert facts_asked(config, "elements", "forget", "plain", DOMAINS) == whole
    assert facts_asked(config, "elements", "retain", "option-forget", DOMAINS) == 260


def test_a_study_without_claims_has_no_table():
    assert claims_of(resolve(load_study("ci")), DOMAINS) == ""
