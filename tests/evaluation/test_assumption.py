import numpy
import pytest
from scipy.stats import chi2, kurtosis, norm

from unlearning_robustness.evaluation import assumption

RANDOM = numpy.random.default_rng(0)
GAUSSIAN = 2.5 * RANDOM.standard_normal((300, 400))


def test_a_draw_of_the_assumption_shows_it():
    found = assumption.statistics(GAUSSIAN)
    assert found["eta"] == pytest.approx(2.5, rel=0.01)
    assert found["mean_share"] == pytest.approx(1 / 300, rel=0.2)
    assert abs(found["excess_kurtosis"]) < 0.05 and abs(found["cross_query_cosine"]) < 0.005
    assert found["length_spread"] == pytest.approx(1, abs=0.15)
    assert found["participation_ratio"] == pytest.approx(300 * 400 / (300 + 400), rel=0.03)
    lengths = assumption.squared_lengths(GAUSSIAN)
    assert lengths.mean() == pytest.approx(chi2(400).mean(), rel=1e-6)


def test_each_departure_is_seen_by_its_own_statistic():
    common = GAUSSIAN + 4.0
    assert assumption.mean_share(common) == pytest.approx(16 / (16 + 6.25), rel=0.03)
    assert assumption.cross_query_cosine(common) == pytest.approx(16 / (16 + 6.25), rel=0.03)
    heavy = RANDOM.standard_t(6, (300, 400))
    assert assumption.excess_kurtosis(heavy) == pytest.approx(kurtosis(heavy, axis=None), rel=1e-9)
    assert assumption.excess_kurtosis(heavy) > 1
    line = RANDOM.standard_normal((300, 1)) * RANDOM.standard_normal((1, 400))
    assert assumption.participation_ratio(line) == pytest.approx(1, rel=1e-9)
    uneven = GAUSSIAN * RANDOM.choice([0.5, 2.0], (300, 1))
    assert assumption.length_spread(uneven) > 5


def test_the_ratio_is_that_of_the_covariance_s_eigenvalues():
    residuals = RANDOM.standard_normal((9, 4)) * [1, 2, 3, 4]
    eigenvalues = numpy.sort(numpy.linalg.eigvalsh(numpy.cov(residuals.T)))[::-1]
    assert assumption.covariance_spectrum(residuals) == pytest.approx(eigenvalues)
    assert assumption.participation_ratio(residuals) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_quantiles_are_in_units_of_the_scale():
    points = numpy.array([0.025, 0.5, 0.975])
    assert assumption.standard_quantiles(GAUSSIAN, points) == pytest.approx(norm.ppf(points), abs=0.02)


def test_jackknife_errors_are_those_of_repeated_draws():
    draws = [assumption.statistics(RANDOM.standard_normal((40, 30))) for _ in range(200)]
    errors = assumption.standard_errors(RANDOM.standard_normal((40, 30)))
    for name in ("eta", "excess_kurtosis"):
        assert errors[name] == pytest.approx(numpy.std([draw[name] for draw in draws]), rel=0.4)


def test_what_is_expected_has_the_same_shape_and_scale():
    expected = assumption.under_assumption(300, 400, 2.5)
    assert expected.keys() == assumption.STATISTICS.keys() and expected["eta"] == pytest.approx(2.5, rel=0.01)
