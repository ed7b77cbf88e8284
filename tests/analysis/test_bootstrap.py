import numpy
import pytest
from scipy.stats import norm, rankdata, spearmanr

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, spearman

BOOTSTRAP = CrossedBootstrap(4000, 0.95, 5)
Z = norm.ppf(0.975)


def simulated(seeds, facts, of_seed=0.0, of_fact=0.0, rest=0.0, draw=0):
    random = numpy.random.default_rng(draw)
    return (
        of_seed * random.standard_normal((seeds, 1))
        + of_fact * random.standard_normal((1, facts))
        + rest * random.standard_normal((seeds, facts))
    )


def width(values, bootstrap=BOOTSTRAP):
    low, high = bootstrap.interval(bootstrap.drawn(values))
    return high - low


@pytest.mark.parametrize(("seeds", "facts", "of_seed", "of_fact"), [(1, 120, 0, 1), (3, 120, 0, 1), (120, 5, 1, 0)])
def test_the_width_is_that_of_the_standard_error_of_the_factor_that_varies(seeds, facts, of_seed, of_fact):
    values = simulated(seeds, facts, of_seed, of_fact)
    varying = values.mean(axis=0) if of_fact else values.mean(axis=1)
    assert width(values) == pytest.approx(2 * Z * varying.std(ddof=1) / len(varying) ** 0.5, rel=0.15)


def test_the_width_of_two_factors_is_that_of_the_exact_variance_of_crossed_draws():
    values = simulated(8, 60, 0.2, 0.8, 0.5, draw=3)
    row, column = values.mean(1) - values.mean(), values.mean(0) - values.mean()
    rest = values - values.mean() - row[:, None] - column[None]
    seeds, facts = values.shape
    by_seed, by_fact, by_both = (
        (row**2).sum() / seeds**2,
        (column**2).sum() / facts**2,
        (rest**2).sum() / values.size**2,
    )
    assert width(values) == pytest.approx(2 * Z * (by_seed + by_fact + by_both) ** 0.5, rel=0.05)


def test_a_higher_confidence_gives_a_wider_interval_and_the_same_seed_the_same():
    values = simulated(3, 60, 0.1, 1.0)
    assert width(values, CrossedBootstrap(2000, 0.99, 5)) > 1.2 * width(values, CrossedBootstrap(2000, 0.9, 5))
    assert numpy.array_equal(BOOTSTRAP.drawn(values), BOOTSTRAP.drawn(values))
    assert not numpy.array_equal(BOOTSTRAP.drawn(values), CrossedBootstrap(4000, 0.95, 6).drawn(values))


def test_rank_correlation_is_scipys():
    random = numpy.random.default_rng(0)
    first = random.integers(0, 6, 30)
    second = first + random.integers(0, 6, 30)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert spearman([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)


def test_the_partial_rank_correlation_is_that_of_what_straight_lines_leave():
    first, second, given = numpy.random.default_rng(1).normal(size=(3, 40)).round(1)
    first, second = first + given, second - given
    ranks = [rankdata(values) for values in (first, second, given)]
    one, two = (values - numpy.polyval(numpy.polyfit(ranks[2], values, 1), ranks[2]) for values in ranks[:2])
    assert spearman(first, second, given) == pytest.approx(numpy.corrcoef(one, two)[0, 1], abs=1e-12)
    assert abs(spearman(first, second)) > 2 * abs(spearman(first, second, given))
    assert numpy.isnan(spearman(first, second, 2 * first)) and numpy.isnan(spearman(first, 0 * second))
