"""The smallest effect that a study finds: against simulations in which an effect of that size, or none, is planted."""

import math

import numpy
import pandas
import pytest
from scipy.stats import t

from unlearning_robustness.analysis.intervals import Intervals
from unlearning_robustness.analysis.power import (
    COMMON,
    Spread,
    confirmable,
    detectable,
    detectable_correlation,
)

DRAWS = 2000


def simulated(spread, seeds, facts, effect, random, draws=DRAWS):
    """Effects (draws, seeds, facts) around a planted one."""
    return (
        effect
        + spread.seed * random.standard_normal((draws, seeds, 1))
        + spread.fact * random.standard_normal((draws, 1, facts))
        + spread.residual * random.standard_normal((draws, seeds, facts))
    )


def intervals(values, confidence=0.95):
    """Means (draws,) and half widths of their t intervals, from mean squares of the data alone."""
    _, seeds, facts = values.shape
    mean = values.mean(axis=(1, 2))
    by_seed, by_fact = values.mean(axis=2), values.mean(axis=1)
    left = values - by_seed[:, :, None] - by_fact[:, None, :] + mean[:, None, None]
    squares = (facts * by_seed.var(axis=1, ddof=1), seeds * by_fact.var(axis=1, ddof=1),
               (left**2).sum(axis=(1, 2)) / (seeds - 1) / (facts - 1))  # fmt: skip
    total = numpy.maximum(squares[0] + squares[1] - squares[2], squares[1])
    freedom = total**2 / (squares[0] ** 2 / (seeds - 1) + squares[1] ** 2 / (facts - 1)
                          + squares[2] ** 2 / (seeds - 1) / (facts - 1))  # fmt: skip
    return mean, t.ppf((1 + confidence) / 2, freedom) * numpy.sqrt(total / seeds / facts)


CASES = [
    (Spread(0.05, 0.35, 0.35), 3, 105),
    (Spread(0.12, 0.35, 0.35), 3, 105),
    (Spread(0.08, 0.35, 0.35), 8, 300),
    (Spread(0.05, 0.35, 0.35), 3, 1146),
    (Spread(0.03, 0.2, 0.1), 5, 40),
]


@pytest.mark.parametrize(("spread", "seeds", "facts"), CASES)
def test_an_effect_of_the_size_is_found_four_times_in_five_and_none_as_seldom_as_promised(spread, seeds, facts):
    random = numpy.random.default_rng(seeds)
    planted = detectable(spread, seeds, facts, 0.95)
    mean, half = intervals(simulated(spread, seeds, facts, planted, random))
    assert 0.74 < (mean - half > 0).mean() < 0.88
    mean, half = intervals(simulated(spread, seeds, facts, 0.0, random))
    assert (numpy.abs(mean) > half).mean() < 0.1
    mean, half = intervals(simulated(spread, seeds, facts, 0.0, random), 0.9)
    bound = confirmable(spread, seeds, facts, 0.95)
    assert 0.7 < (numpy.abs(mean) + half < bound).mean() < 0.92


def test_the_standard_error_is_that_of_simulated_means():
    spread = Spread(0.05, 0.35, 0.25)
    mean = simulated(spread, 4, 60, 0.3, numpy.random.default_rng(1)).mean(axis=(1, 2))
    assert mean.std() == pytest.approx(spread.standard_error(4, 60), rel=0.05) and mean.mean() == pytest.approx(
        0.3, abs=0.01
    )


def test_an_average_over_subjects_has_the_error_of_what_they_have_in_common_and_of_their_own():
    spread, subjects, random = Spread(0.08, 0.35, 0.3), 5, numpy.random.default_rng(6)
    facts = [0.35 * math.sqrt(share) * random.standard_normal((DRAWS, count, 1, 40))
             for share, count in ((COMMON, 1), (1 - COMMON, subjects))]  # fmt: skip
    own = [spread.seed * random.standard_normal((DRAWS, subjects, 4, 1)),
           spread.residual * random.standard_normal((DRAWS, subjects, 4, 40))]  # fmt: skip
    means = (facts[0] + facts[1] + own[0] + own[1]).mean(axis=(1, 2, 3))
    assert means.std() == pytest.approx(spread.pooled(subjects).standard_error(4, 40), rel=0.05)
    assert spread.pooled(1) == spread


def test_the_study_s_own_intervals_find_it_as_often():
    spread, seeds, facts = Spread(0.05, 0.35, 0.35), 3, 105
    values = simulated(spread, seeds, facts, detectable(spread, seeds, facts, 0.95), numpy.random.default_rng(2), 600)
    shown = [Intervals(0.95).effect(pandas.DataFrame(one)).low > 0 for one in values]
    assert 0.74 < numpy.mean(shown) < 0.88


def test_more_seeds_and_facts_show_less_and_one_seed_nothing():
    spread = Spread(0.05, 0.35, 0.35)
    sizes = [detectable(spread, seeds, 100, 0.95) for seeds in (2, 3, 5, 10)]
    assert sizes == sorted(sizes, reverse=True) and detectable(spread, 1, 100, 0.95) == math.inf
    assert detectable(spread, 3, 10_000, 0.95) < detectable(spread, 3, 100, 0.95)
    # However many facts there are, three seeds leave their own spread.
    assert detectable(spread, 3, 10**9, 0.95) == pytest.approx((4.303 + 1.061) * 0.05 / 3**0.5, rel=1e-3)
    assert confirmable(spread, 3, 100, 0.95) > detectable(spread, 3, 100, 0.95)


def test_a_rank_correlation_of_the_size_is_found_four_times_in_five():
    random, units = numpy.random.default_rng(3), 30
    size = detectable_correlation(units, 0.95)
    # Spearman's coefficient of a normal pair with this one of Pearson's.
    pearson = 2 * math.sin(math.pi * size / 6)
    first = random.standard_normal((DRAWS, units))
    second = pearson * first + math.sqrt(1 - pearson**2) * random.standard_normal((DRAWS, units))
    ranks = [values.argsort(axis=1).argsort(axis=1) - (units - 1) / 2 for values in (first, second)]
    found = (ranks[0] * ranks[1]).sum(axis=1) / (ranks[0] ** 2).sum(axis=1)
    limit = math.tanh(1.96 * math.sqrt(1.06 / (units - 3)))
    assert 0.74 < (found > limit).mean() < 0.88
    assert detectable_correlation(3, 0.95) == math.inf
