import numpy
import pandas
import pytest
from scipy.stats import mannwhitneyu, norm

from unlearning_robustness.analysis.discrimination import area_interval, placements


def kinds(values):
    return pandas.Series([value for part in values.values() for value in part],
                         index=[name for name, part in values.items() for _ in part], dtype=float)  # fmt: skip


def test_placements_are_mann_whitneys_statistic_over_its_largest_value():
    random = numpy.random.default_rng(0)
    one, other = random.normal(1, 1, 9).round(1), random.normal(0, 1, 7).round(1)
    sides = [kinds({f"k{n}": [value] for n, value in enumerate(side)}) for side in (one, other)]
    assert placements(*sides).shape == (9, 7)
    assert placements(*sides).mean() == pytest.approx(mannwhitneyu(one, other).statistic / 63)


def test_seeds_of_a_kind_count_together_and_ties_half():
    knowing, never = kinds({"a": [1.0, 3.0], "b": [2.0]}), kinds({"n": [2.0, 2.0, 0.0]})
    assert placements(knowing, never).tolist() == [[pytest.approx(2 / 3)], [pytest.approx(2 / 3)]]


def test_a_perfect_measure_has_an_interval_too():
    low, high = area_interval(1.0, 8, 6, 0.95)
    assert high == 1.0 and 0.6 < low < 0.9
    assert area_interval(0.0, 8, 6, 0.95) == pytest.approx((0.0, 1 - low), abs=1e-6)
    assert area_interval(1.0, 80, 60, 0.95)[0] > 0.94


def test_bounds_are_where_the_normal_test_with_hanley_and_mcneils_variance_turns():
    area, sizes = 0.8, (10, 10)
    for bound in area_interval(area, *sizes, 0.95):
        first, second = bound / (2 - bound), 2 * bound**2 / (1 + bound)
        variance = (bound * (1 - bound) + 9 * (first - bound**2) + 9 * (second - bound**2)) / 100
        assert abs(area - bound) / variance**0.5 == pytest.approx(1.96, abs=0.01)


@pytest.mark.parametrize(("shift", "true"), [(0.0, 0.5), (1.2, norm.cdf(1.2 / 2**0.5))])
def test_the_interval_covers_the_truth_with_few_models(shift, true):
    """Eight kinds that know against six models that never did, as the study of worlds has them."""
    random, covered = numpy.random.default_rng(1), 0
    for _ in range(600):
        pairs = random.normal(shift, 1, 8)[:, None] > random.normal(0, 1, 6)
        low, high = area_interval(float(pairs.mean()), 8, 6, 0.95)
        covered += low <= true <= high
    assert 0.92 <= covered / 600 <= 0.985
