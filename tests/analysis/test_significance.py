from itertools import product

import numpy
import pytest
from scipy.stats import binomtest

from unlearning_robustness.analysis.significance import holm, sign_flip


@pytest.mark.parametrize("better, worse", [(7, 2), (2, 7), (5, 5), (12, 0), (1, 0), (0, 0), (60, 31)])
def test_one_answer_a_fact_is_mcnemars_exact_test(better, worse):
    expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert sign_flip([1] * better + [-1] * worse + [0] * 9) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("differences", [[3, -1, 2, 2, 0, -3, 1], [2, 2, 2], [3, 3, 3, 1, -1, 2, 2, 3], [-4, 1]])
def test_clusters_are_flipped_whole(differences):
    values = numpy.array(differences)
    sums = [abs((values * signs).sum()) for signs in product([1, -1], repeat=len(values))]
    assert sign_flip(values) == pytest.approx(numpy.mean(numpy.array(sums) >= abs(values.sum())), rel=1e-12)


def test_the_order_and_the_direction_do_not_matter():
    values = [3, -1, 2, 2, 0, -3, 1, 1, 1]
    assert sign_flip(values) == sign_flip(values[::-1]) == sign_flip([-value for value in values]) < 1


def test_many_facts_still_give_a_p_value_between_0_and_1():
    assert 0 < sign_flip([3] * 300) < 1e-60
    assert sign_flip([1, -1] * 500) == pytest.approx(1.0)


def test_under_the_null_false_alarms_are_no_more_than_the_level():
    random = numpy.random.default_rng(3)
    draws = random.integers(0, 4, (2000, 25)) - random.integers(0, 4, (2000, 25))
    assert numpy.mean([sign_flip(draw) <= 0.05 for draw in draws]) == pytest.approx(0.045, abs=0.015)


def test_parts_of_answers_are_refused():
    with pytest.raises(ValueError, match="integers"):
        sign_flip([0.5, 1.0])


def test_holm_multiplies_the_smallest_by_all_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_holm_rejects_what_the_step_down_rule_rejects():
    random = numpy.random.default_rng(1)
    for _ in range(50):
        values = random.random(12) ** 3
        rejected, order = set(), values.argsort()
        for rank, place in enumerate(order):
            if values[place] > 0.05 / (12 - rank):
                break
            rejected.add(place)
        assert {place for place, value in enumerate(holm(values)) if value <= 0.05} == rejected
