import numpy
import pandas
import pytest
from scipy.stats import entropy

from unlearning_robustness.analysis.choices import (
    divergence,
    log_distributions,
    log_truth_ratios,
    right_probabilities,
    total_variation,
)
from unlearning_robustness.evaluation.tofu import truth_ratio

SCORES = numpy.random.default_rng(0).normal(-5, 2, (6, 4))
OTHERS = numpy.random.default_rng(1).normal(-5, 2, (6, 4))
ANSWERS = pandas.Series([0, 1, 2, 3, 0, 1])


def logs(scores):
    return log_distributions(pandas.DataFrame({"log_likelihoods": list(scores.astype("float32"))}))


def test_distributions_are_those_of_the_scores_among_the_choices():
    shares = numpy.exp(SCORES) / numpy.exp(SCORES).sum(axis=1, keepdims=True)
    assert numpy.exp(logs(SCORES)) == pytest.approx(shares, rel=1e-5)
    assert right_probabilities(logs(SCORES), ANSWERS) == pytest.approx(shares[range(6), ANSWERS], rel=1e-5)


def test_the_divergence_is_scipys_relative_entropy_and_zero_of_equal_distributions():
    true, other = numpy.exp(logs(SCORES)), numpy.exp(logs(OTHERS))
    assert divergence(logs(SCORES), logs(OTHERS)) == pytest.approx(entropy(true, other, axis=1))
    assert divergence(logs(SCORES), logs(SCORES)) == pytest.approx(numpy.zeros(6))


def test_total_variation_is_the_largest_difference_that_an_event_has():
    first, second = numpy.exp(logs(SCORES)), numpy.exp(logs(OTHERS))
    events = [[bool(number >> choice & 1) for choice in range(4)] for number in range(16)]
    pairs = zip(first, second, strict=True)
    largest = [max(abs((one - other)[event].sum()) for event in events) for one, other in pairs]
    assert total_variation(logs(SCORES), logs(OTHERS)) == pytest.approx(largest)


def test_the_truth_ratio_is_tofus_of_the_losses_of_the_choices():
    losses = -logs(SCORES)
    right = losses[range(6), ANSWERS]
    wrong = numpy.array([numpy.delete(row, answer) for row, answer in zip(losses, ANSWERS, strict=False)])
    assert numpy.exp(log_truth_ratios(logs(SCORES), ANSWERS)) == pytest.approx(truth_ratio(right, wrong))
