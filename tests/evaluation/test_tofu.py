"""TOFU's formulas against the words of the paper, computed here one question at a time."""

import json
import math
import statistics

import numpy
import pytest

from unlearning_robustness.errors import DataError
from unlearning_robustness.evaluation.tofu import (
    forget_quality,
    model_utility,
    probability,
    probability_among,
    retain_log,
    truth_of_forget,
    truth_of_utility,
    truth_ratio,
)

LOSSES = numpy.array([0.5, 2.0])
WRONG = numpy.array([[1.0, 3.0], [0.25, 0.5]])


def test_a_probability_is_that_of_the_whole_answer_to_the_power_of_one_over_its_length():
    tokens = [0.9, 0.5, 0.2]
    loss = statistics.mean(-math.log(share) for share in tokens)
    assert probability(numpy.array([loss]))[0] == pytest.approx(math.prod(tokens) ** (1 / 3))


def test_among_options_the_right_one_has_its_share():
    expected = [math.exp(-0.5) / (math.exp(-0.5) + math.exp(-1) + math.exp(-3)),
                math.exp(-2) / (math.exp(-2) + math.exp(-0.25) + math.exp(-0.5))]  # fmt: skip
    assert probability_among(LOSSES, WRONG).tolist() == pytest.approx(expected)


def test_the_truth_ratio_is_wrong_over_right_by_either_mean():
    geometric = [math.sqrt(math.exp(-1) * math.exp(-3)) / math.exp(-0.5),
                 math.sqrt(math.exp(-0.25) * math.exp(-0.5)) / math.exp(-2)]  # fmt: skip
    arithmetic = [(math.exp(-1) + math.exp(-3)) / 2 / math.exp(-0.5),
                  (math.exp(-0.25) + math.exp(-0.5)) / 2 / math.exp(-2)]  # fmt: skip
    assert truth_ratio(LOSSES, WRONG).tolist() == pytest.approx(geometric)
    assert truth_ratio(LOSSES, WRONG, "arithmetic").tolist() == pytest.approx(arithmetic)


def test_a_model_that_knows_scores_low_on_forget_and_high_on_utility_sets():
    knows, cannot_tell, is_wrong = 0.01, 1.0, 100.0
    assert truth_of_forget([knows, cannot_tell, is_wrong]).tolist() == pytest.approx([0.01, 1.0, 0.01])
    assert truth_of_utility([knows, cannot_tell, is_wrong]).tolist() == pytest.approx([0.99, 0.0, 0.0])
    assert truth_of_forget([0.0]).tolist() == [0.0] and truth_of_utility([0.0]).tolist() == [1.0]


def test_forget_quality_is_the_test_by_hand():
    """Two samples of 3 that do not overlap: 2 of the 20 orders are as far apart, so p is 0.1 and the statistic 1."""
    assert forget_quality([1, 2, 3], [4, 5, 6]) == pytest.approx((0.1, 1.0))
    assert forget_quality([1, 2, 3], [1, 2, 3]) == pytest.approx((1.0, 0.0))
    random = numpy.random.default_rng(0)
    one, other = random.lognormal(size=80), random.lognormal(0.5, size=60)
    points = numpy.concatenate([one, other])
    shares = [abs((one <= point).mean() - (other <= point).mean()) for point in points]
    assert forget_quality(one, other)[1] == pytest.approx(max(shares))


def test_forget_quality_does_not_care_which_way_the_ratio_goes():
    random = numpy.random.default_rng(1)
    one, other = random.lognormal(size=40), random.lognormal(0.3, size=40)
    assert forget_quality(one, other) == pytest.approx(forget_quality(1 / one, 1 / other))


def test_utility_is_the_harmonic_mean_and_nothing_makes_up_for_a_zero():
    values = [0.9, 0.5, 0.7, 0.3, 0.8, 0.6, 0.4, 0.9, 0.2]
    assert float(model_utility(values)) == pytest.approx(statistics.harmonic_mean(values))
    assert float(model_utility([*values[:8], 0.0])) == 0.0
    two = numpy.array([values, [0.0, *values[1:]]]).T
    assert model_utility(two).tolist() == pytest.approx([statistics.harmonic_mean(values), 0.0])


def test_both_published_logs_give_the_same_ratios(tmp_path):
    ratios = truth_ratio(LOSSES, WRONG)
    peer = {"forget_truth_ratio": {"value_by_index": {str(n): {"score": value} for n, value in enumerate(ratios)}}}
    losses = {
        "avg_paraphrased_loss": dict(enumerate(LOSSES.tolist())),
        "average_perturb_loss": dict(enumerate(WRONG.tolist())),
    }
    for name, log in (("peer", peer), ("own", {"eval_log_forget.json": losses})):
        (tmp_path / name).write_text(json.dumps(log))
        assert retain_log(tmp_path / name).tolist() == pytest.approx(ratios.tolist())
    (tmp_path / "other").write_text("{}")
    with pytest.raises(DataError, match=r"other: neither .*: correct memorisation\.retrain\.log"):
        retain_log(tmp_path / "other")
