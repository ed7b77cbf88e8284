"""Effects over models: their intervals cover, and a claim is decided by all models together."""

import math

import numpy
import pandas
import pytest
from scipy.stats import t, ttest_1samp
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.intervals import Effect
from unlearning_robustness.analysis.pooled import pooled
from unlearning_robustness.analysis.replicates import over_models, replicated

CONFIDENCE = 0.95
FREEDOM = 20
PROBES = ("plain", "forget-token", "neutral-token")


def effect(mean, error, freedom=FREEDOM):
    return Effect(mean, mean - 1, mean + 1, 100, 8, error, freedom, 0.5)


def test_models_that_differ_have_the_t_interval_of_their_means():
    means = [0.1, 0.5, 0.3]
    together = over_models([effect(mean, 1e-6) for mean in means], CONFIDENCE)
    expected = ttest_1samp(means, 0)
    low, high = expected.confidence_interval(CONFIDENCE)
    assert (together.low, together.high, together.p) == pytest.approx((low, high, expected.pvalue), rel=1e-6)
    assert (together.freedom, together.facts, together.seeds) == (2, 300, 8)


def test_models_that_do_not_differ_have_the_error_of_their_own_errors():
    together = over_models([effect(0.2, 0.03), effect(0.2, 0.04)], CONFIDENCE)
    assert together.error == pytest.approx(math.hypot(0.03, 0.04) / 2)
    # Satterthwaite's, of two variances with equal degrees of freedom.
    assert together.freedom == pytest.approx(FREEDOM * (0.03**2 + 0.04**2) ** 2 / (0.03**4 + 0.04**4))


def test_one_model_keeps_its_interval():
    alone = effect(0.2, 0.03)
    assert over_models([alone], CONFIDENCE) is alone


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_intervals_of_three_models_cover_the_true_mean(spread):
    random, covered, draws = numpy.random.default_rng(3), 0, 1500
    for _ in range(draws):
        means = random.normal(0.0, math.sqrt(1 + spread**2), 3)
        errors = numpy.sqrt(random.chisquare(FREEDOM, 3) / FREEDOM)
        together = over_models([effect(*pair) for pair in zip(means, errors, strict=True)], CONFIDENCE)
        covered += together.low <= 0 <= together.high
    assert 0.915 < covered / draws < 0.985


def records(gains: dict[str, float]) -> pandas.DataFrame:
    """Answers of two defences by model: the second knows a share of facts, the first ``gain`` more."""
    rows = []
    for model, gain in gains.items():
        for defence, level in (("none", 0.5), ("rna", 0.5 + gain)):
            rows += [
                {
                    "model": model, "benchmark": model, "method": "rmu", "defence": defence, "seed": seed,
                    "attack": "none", "probe": probe, "role": "retain", "split": "test", "fact": f"{fact}",
                    "question": f"{fact}/0", "correct": (fact + seed) % 40 < 40 * level, "tied": False,
                    "probability": level, "documents": 0, "steps": 0, "setting": "",
                }
                for probe in PROBES for seed in range(4) for fact in range(40)
            ]  # fmt: skip
    return pandas.DataFrame(rows)


CLAIM = {"table": "differences", "where": {"role": "retain", "probe": "plain", "first": "rna"}, "minus": 0.0}
SETTINGS = {
    "claims": {"rna-helps": CLAIM},
    "probes": {},
    "defences": {"rna": {"kind": "rna", "parameters": {}, "per_method": {}}},
}


def test_a_claim_is_decided_by_the_mean_over_models_in_every_row():
    gains = {"world-0": 0.1, "world-1": 0.2, "world-2": 0.3}
    inputs = inputs_of(records(gains), analysis(replicates="models") | SETTINGS)
    together = pooled(inputs)
    assert list(together["model"]) == list(gains) and together["mean"].tolist() == pytest.approx([0.2] * 3)
    assert together["freedom"].unique() == pytest.approx([2])
    each = pooled(inputs_of(records(gains), analysis() | SETTINGS))
    assert each["mean"].tolist() == pytest.approx(list(gains.values()))


def test_the_table_of_replicates_has_a_row_for_what_all_models_have():
    inputs = inputs_of(records({"world-0": 0.1, "world-1": 0.3}), analysis(replicates="models") | SETTINGS)
    table = replicated(inputs).query("table == 'accuracy' and defence == 'rna' and probe == 'plain'")
    (row,) = table.to_dict("records")
    assert (row["mean"], row["models"], row["facts"]) == (pytest.approx(0.7), 2, 80)
    assert row["high"] - row["mean"] == pytest.approx(t.ppf(0.975, 1) * 0.1)
    assert replicated(inputs_of(records({"world-0": 0.1}), analysis() | SETTINGS)).empty
