"""Intervals of means over seeds and facts: their coverage by simulation, and what they are at the edges."""

import numpy
import pandas
import pytest
from scipy.stats import ttest_1samp
from simulated import answers, by_seeds, coverage, crossed, effects, share, two_way

from unlearning_robustness.analysis.intervals import Estimate, Intervals, fact_matrix, paired
from unlearning_robustness.analysis.power import Spread

INTERVALS, DRAWS = Intervals(0.95), 1000
# Three standard errors of a coverage of 95 % in that many draws.
ERROR = 3 * (0.95 * 0.05 / DRAWS) ** 0.5


def frame(values):
    return pandas.DataFrame(numpy.asarray(values, dtype=float))


@pytest.mark.parametrize("facts", [30, 105, 300])
@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (3, 0.05), (5, 0.12), (8, 0.03), (8, 0.12), (10, 0.08)])
def test_differences_are_covered_as_often_as_promised(seeds, facts, spread):
    drawn = effects(DRAWS, seeds, facts, spread, numpy.random.default_rng(seeds * facts))
    assert 0.93 - ERROR < coverage(two_way, drawn, 0.0) < 0.97 + ERROR


def test_three_seeds_that_differ_much_are_covered_better_than_by_the_bootstrap():
    drawn = effects(DRAWS, 3, 300, 0.12, numpy.random.default_rng(1))
    assert coverage(two_way, drawn, 0.0) > 0.9 and coverage(crossed, drawn[:300], 0.0) < 0.87


def test_seeds_alone_would_not_do_for_they_hold_the_facts_fixed():
    drawn = effects(DRAWS, 8, 105, 0.03, numpy.random.default_rng(1))
    assert coverage(by_seeds, drawn, 0.0) < 0.75


@pytest.mark.parametrize("facts", [30, 105])
@pytest.mark.parametrize(("seeds", "accuracy", "spread"), [(3, 0.4, 0.2), (8, 0.9, 0.0), (3, 0.98, 0.2), (8, 0.995, 0)])
def test_accuracies_are_covered_near_the_edges_too(seeds, facts, accuracy, spread):
    drawn = answers(DRAWS, seeds, facts, spread, numpy.random.default_rng(facts), accuracy)
    assert coverage(share, drawn, accuracy) > 0.93 - ERROR


@pytest.mark.parametrize(("first", "second"), [(0.4, 0.4), (0.98, 0.98), (0.95, 0.99), (0.99, 0.9999)])
def test_differences_of_accuracies_are_not_covered_less_than_promised(first, second):
    random = numpy.random.default_rng(4)
    of_facts = random.standard_normal((DRAWS, 1, 60))
    drawn = [answers(DRAWS, 5, 60, 0.2, random, level, of_facts) for level in (first, second)]
    assert coverage(two_way, drawn[0] - drawn[1], first - second) > 0.93 - ERROR


def test_where_seeds_differ_alone_it_is_the_t_interval_of_their_means():
    values = numpy.array([[0.1], [0.25], [0.3], [0.45]]) + numpy.zeros((4, 50))
    estimate, test = INTERVALS.effect(frame(values)), ttest_1samp(values[:, 0], 0)
    low, high = test.confidence_interval()
    assert (estimate.low, estimate.high, estimate.p) == pytest.approx((low, high, test.pvalue), rel=1e-9)


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_facts_differ_alone_it_is_the_t_interval_of_theirs(seeds):
    values = numpy.tile(numpy.random.default_rng(0).normal(0.05, 0.3, 40), (seeds, 1))
    estimate, test = INTERVALS.effect(frame(values)), ttest_1samp(values[0], 0)
    assert (estimate.low, estimate.high) == pytest.approx(test.confidence_interval(), rel=1e-9)
    assert estimate.p == pytest.approx(test.pvalue, rel=1e-9) and estimate.freedom == pytest.approx(39)


def test_mean_squares_give_the_components_that_were_planted():
    random, planted = numpy.random.default_rng(3), Spread(0.2, 0.5, 0.3)
    values = (
        planted.seed * random.standard_normal((200, 1))
        + planted.fact * random.standard_normal((1, 300))
        + planted.residual * random.standard_normal((200, 300))
    )
    assert vars(Spread.of(values)) == pytest.approx(vars(planted), rel=0.15)


def test_all_answers_right_do_not_prove_that_every_fact_is_known():
    estimate = INTERVALS.share(frame(numpy.ones((3, 105))))
    # Clopper and Pearson's bound is .0345 below one.
    assert estimate.mean == estimate.high == 1 and estimate.low == pytest.approx(1 - 0.0353, abs=1e-3)
    none = INTERVALS.share(frame(numpy.zeros((3, 105))))
    assert (none.mean, none.low, none.high) == pytest.approx((0, 0, 1 - estimate.low))


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_an_interval_always_holds_its_mean(right):
    """Rounding put a bound 1e-16 on the wrong side of it, and the figure with such an error bar died."""
    for seeds in (1, 2, 3):
        for facts in range(2, 200):
            estimate = Intervals(0.95).share(pandas.DataFrame(numpy.full((seeds, facts), right)))
            assert estimate.low <= estimate.mean <= estimate.high


def test_equal_answers_do_not_prove_that_no_fact_differs():
    """A share of facts of 1 - .025^(1/F) that differ escapes F facts with a chance of 2.5 %."""
    estimate = INTERVALS.effect(frame(numpy.zeros((3, 60))))
    assert (estimate.low, estimate.high) == pytest.approx((-0.0596, 0.0596), abs=1e-4) and estimate.p == 1
    one = numpy.zeros((3, 60))
    one[:, 0] = 1
    few = INTERVALS.effect(frame(one))
    assert few.high - few.mean == pytest.approx(0.0596, abs=1e-4) and few.p > 0.5
    shift = INTERVALS.effect(frame(numpy.full((3, 60), 0.1)))
    assert (shift.low, shift.high, shift.p) == (pytest.approx(0.1), pytest.approx(0.1), 0)


def test_one_fact_says_nothing_about_others():
    assert vars(INTERVALS.share(frame([[1], [1]]))) == {"mean": 1, "low": 0, "high": 1, "facts": 1, "seeds": 2}
    estimate = INTERVALS.effect(frame([[1], [1]]))
    assert (estimate.low, estimate.high, estimate.p) == (-1, 1, 1)


def test_the_p_value_is_that_of_the_interval():
    values = effects(60, 3, 40, 0.1, numpy.random.default_rng(2), planted=0.15)
    rows = [INTERVALS.effect(frame(one)) for one in values]
    assert all((row.p < 0.05) == row.excludes_zero for row in rows)
    assert {row.excludes_zero for row in rows} == {True, False}
    assert all(row.low < Intervals(0.9).effect(frame(one)).low for row, one in zip(rows, values, strict=True))


def test_intervals_stay_within_what_is_possible():
    values = numpy.zeros((2, 40))
    values[0] = 1
    assert (INTERVALS.effect(frame(values)).low, INTERVALS.effect(frame(values)).high) == (-1, 1)
    estimate = INTERVALS.share(frame(values))
    assert 0 <= estimate.low < 0.1 and 0.9 < estimate.high <= 1


def test_pairing_narrows_the_difference_of_what_varies_together():
    random = numpy.random.default_rng(0)
    first = frame(numpy.tile(random.standard_normal(100), (3, 1)))
    second = first + 0.1 * random.standard_normal((3, 100))
    together = INTERVALS.difference(first, second)
    apart = INTERVALS.difference(first, frame(second.to_numpy()[:, ::-1]))
    assert together.error < 0.3 * apart.error


def test_the_reference_with_one_seed_stands_for_every_seed():
    random = numpy.random.default_rng(0)
    matrix, one = frame(random.random((3, 40))), frame(random.random((1, 40)))
    three = pandas.concat([one] * 3, ignore_index=True)
    assert INTERVALS.difference(one, matrix) == INTERVALS.difference(three, matrix)
    assert INTERVALS.difference(matrix, one) == INTERVALS.difference(matrix, three)


def test_seeds_are_paired_by_their_number_and_not_by_their_place():
    matrix = frame(numpy.random.default_rng(0).random((4, 40)))
    estimate = INTERVALS.difference(matrix.loc[[1, 2, 3]], matrix.loc[[0, 1, 2]])
    assert estimate.mean == 0.0 and estimate.seeds == 2
    with pytest.raises(ValueError, match="seed"):
        paired(matrix.loc[[0, 1]], matrix.loc[[2, 3]])


def test_missing_answers_and_different_facts_are_refused():
    matrix = frame(numpy.random.default_rng(0).random((3, 10)))
    with pytest.raises(ValueError, match="same facts"):
        paired(matrix, matrix[[1, 2]])
    matrix.iloc[1, 1] = numpy.nan
    with pytest.raises(ValueError, match="every fact"):
        INTERVALS.share(matrix)


def test_a_facts_questions_are_one_cluster():
    records = pandas.DataFrame(
        {"seed": [0, 0, 0, 1, 1, 1], "fact": list("aabaab"), "value": [True, False, True, True, True, False]}
    )
    assert fact_matrix(records).to_dict("list") == {"a": [0.5, 1.0], "b": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("low", "high", "excludes"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0, 1, False)]
)
def test_an_interval_excludes_zero_when_it_lies_on_one_side(low, high, excludes):
    assert Estimate(0.0, low, high, 1, 1).excludes_zero == excludes


def test_another_unit_scales_the_mean_and_its_bounds():
    assert Estimate(0.5, 0.4, 0.7, 9, 3).scaled(100) == Estimate(50, 40, 70, 9, 3)
