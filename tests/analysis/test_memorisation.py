import numpy
import pandas
import pytest
from synthetic import analysis
from synthetic_measures import nothing
from worlds import study_world

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Intervals
from unlearning_robustness.analysis.memorisation import (
    area_under_curve,
    leakage,
    memorisation,
    privacy_leakage,
)

BOOTSTRAP = CrossedBootstrap(400, 0.95, 0)
CELL = {"model": "m", "benchmark": "b", "defence": "none", "attack": "none"}


def scores(forget, holdout, method="npo", seed=0):
    rows = [("forget", f"f{i:02}", value) for i, value in enumerate(forget)]
    rows += [("holdout", f"h{i:02}", value) for i, value in enumerate(holdout)]
    table = pandas.DataFrame(rows, columns=["role", "item", "value"])
    return table.assign(**CELL, method=method, seed=seed, metric="min-k")


def counted(forget, holdout):
    """Every pair by hand."""
    return numpy.mean([1.0 if h > f else 0.5 if h == f else 0.0 for f in forget for h in holdout])


def test_the_area_is_the_share_of_pairs_with_ties_counted_half():
    random = numpy.random.default_rng(1)
    for _ in range(20):
        forget, holdout = random.integers(0, 6, random.integers(1, 9)), random.integers(0, 6, random.integers(1, 9))
        assert area_under_curve(forget, holdout) == pytest.approx(counted(forget, holdout))
    assert area_under_curve(numpy.array([1.0, 2.0]), numpy.array([3.0])) == 1.0
    assert area_under_curve(numpy.array([5.0]), numpy.array([5.0, 5.0])) == 0.5


def test_the_sign_says_whether_texts_are_betrayed_as_known_or_as_unlearned():
    assert privacy_leakage(0.0, 0.5) == -100 and privacy_leakage(0.5, 0.5) == 0 and privacy_leakage(1.0, 0.5) == 100
    assert privacy_leakage(0.2385, 0.477) == pytest.approx(-50)
    assert numpy.isnan(privacy_leakage(0.5, 0.0))
    never = scores([0.0, 1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 0.2], "retrained")
    known = leakage(scores([9.0, 8.0, 7.0, 9.0], [0.5, 1.5, 2.5, 0.2]), never, BOOTSTRAP)
    gone = leakage(scores([-9.0, -8.0, -7.0, -9.0], [0.5, 1.5, 2.5, 0.2]), never, BOOTSTRAP)
    assert (known.mean, known.low, known.high) == (-100, -100, -100) and gone.mean > 50 and gone.low > 0


def test_the_leakage_is_that_of_the_areas_and_zero_for_the_retrained_model_in_every_draw():
    random = numpy.random.default_rng(2)
    never, parts, areas = scores(random.normal(size=9), random.normal(size=7), "retrained"), [], []
    for seed in range(3):
        forget, holdout = random.normal(0.5, 1, 9), random.normal(size=7)
        parts.append(scores(forget, holdout, seed=seed))
        areas.append(area_under_curve(forget, holdout))
    base = counted(*(never[never["role"] == role]["value"] for role in ("forget", "holdout")))
    found = leakage(pandas.concat(parts), never, BOOTSTRAP)
    assert found.mean == pytest.approx(100 * (numpy.mean(areas) - base) / base)
    assert found.low < found.mean < found.high and (found.facts, found.seeds) == (16, 3)
    itself = leakage(never, never, BOOTSTRAP)
    assert (itself.mean, itself.low, itself.high) == pytest.approx((0, 0, 0))
    constant = leakage(pandas.concat(parts), 0.4772, BOOTSTRAP)
    assert constant.mean == pytest.approx(100 * (numpy.mean(areas) - 0.4772) / 0.4772)


def test_the_interval_covers_what_other_texts_would_give():
    truth, hits = 0.5 * (1 + 0.3829), 0  # P(N(0,1) > N(-s,1)) with s so that the area is known
    shift = 2**0.5 * 0.5
    random = numpy.random.default_rng(3)
    for _ in range(60):
        drawn = leakage(scores(random.normal(-shift, 1, 40), random.normal(size=40)), 0.5, BOOTSTRAP)
        hits += drawn.low <= 100 * (truth - 0.5) / 0.5 <= drawn.high
    assert 50 <= hits <= 60


def test_the_table_has_every_metric_in_percent_before_and_after_the_attack():
    rows = []
    for attack, level in (("none", 0.2), ("relearn", 0.6)):
        for seed in (0, 1):
            for item in range(4):
                value = level + 0.1 * seed
                rows.append({**CELL, "method": "npo", "seed": seed, "attack": attack, "metric": "verbatim",
                             "role": "forget", "item": f"f{item}", "value": value})  # fmt: skip
    marks = pandas.concat([scores([1.0, 2.0], [1.5, 3.0]), scores([1.0, 2.0], [1.5, 3.0], "retrained")])
    table = memorisation(Inputs({"memorisation": pandas.concat([pandas.DataFrame(rows), marks])}, analysis()))
    verbatim = table[table["metric"] == "verbatim"].set_index("attack")
    assert verbatim["mean"].to_dict() == pytest.approx({"none": 25.0, "relearn": 65.0})
    estimate = Intervals(0.95).share(pandas.DataFrame([[0.2] * 4, [0.3] * 4])).scaled(100)
    assert verbatim.loc["none", list(vars(estimate))].tolist() == pytest.approx(list(vars(estimate).values()))
    assert table[table["metric"] == "privacy-leakage"].set_index("method")["mean"].to_dict() == {
        "npo": 0.0, "retrained": 0.0
    }  # fmt: skip
    assert memorisation(Inputs({"memorisation": nothing("memorisation")}, analysis())).empty


def test_the_studys_table_has_what_was_planted():
    table = study_world("muse").tables["memorisation"].set_index(["method", "defence", "attack", "metric", "role"])
    assert table.loc[("reference", "none", "none", "verbatim", "forget"), "mean"] == pytest.approx(90)
    assert table.loc[("npo-kl", "sam", "none", "verbatim", "forget"), "mean"] == pytest.approx(11)
    assert table.loc[("npo-kl", "sam", "relearn", "knowledge", "forget"), "mean"] == pytest.approx(50.5)
    reference = table.loc[("reference", "none", "none", "privacy-leakage", "forget")]
    assert reference["high"] < 0 and table.loc[("retrained", "none", "none", "privacy-leakage", "forget"), "mean"] == 0
