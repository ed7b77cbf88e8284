import math

import numpy
import pandas
import pytest
from synthetic import analysis, inputs_of
from worlds import default_world

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.curves import area, crossing, quantities
from unlearning_robustness.analysis.recovery import recovery, recovery_differences

BOOTSTRAP = CrossedBootstrap(300, 0.95, 1)
STEPS = [5, 10, 15]


def planted(levels, facts=20, seeds=(0, 1), attack="relearn"):
    """Records of an attack and of the models before it; ``levels`` are {(method, defence): [start, *accuracies]}.

    The first facts of the list are answered, so every accuracy is exact and all draws move together.
    """
    rows = []
    for (method, defence), path in levels.items():
        points = zip(["none"] + [attack] * len(STEPS), [0, *STEPS], path, strict=True)
        for name, steps, level in points:
            for seed in seeds if method != "reference" or name != "none" else seeds[:1]:
                rows += [
                    {"model": "m", "benchmark": "b", "method": method, "defence": defence, "seed": seed,
                     "attack": name, "documents": 60 if steps else 0, "steps": steps, "probe": "plain",
                     "role": "forget", "fact": f"f{fact:02}", "question": f"f{fact:02}/0",
                     "correct": fact < level * facts}
                    for fact in range(facts)
                ]  # fmt: skip
    return pandas.DataFrame(rows)


LEVELS = {
    ("reference", "none"): [1.0, 1.0, 1.0, 1.0],
    ("rmu", "none"): [0.2, 0.4, 0.8, 0.9],
    ("rmu", "sam"): [0.2, 0.2, 0.3, 0.4],
    ("rmu", "weight-noise"): [1.0, 1.0, 0.9, 1.0],
}


def inputs(records, *comparisons):
    return inputs_of(records, analysis(bootstrap_samples=BOOTSTRAP.samples, comparisons=comparisons))


@pytest.fixture(scope="module")
def table():
    return recovery(inputs(planted(LEVELS))).set_index(["method", "defence", "quantity"])


def test_the_area_of_a_known_curve_is_its_trapezoids_over_the_budget():
    steps = numpy.array([0, 2, 5, 10])
    assert area(steps, numpy.array([0.0, 0.2, 0.5, 1.0])) == pytest.approx(0.5)
    assert area(steps, numpy.array([[0.4, 0.4, 0.4, 0.4], [0.0, 1.0, 1.0, 1.0]])) == pytest.approx([0.4, 0.9])


@pytest.mark.parametrize(
    ("levels", "threshold", "expected"),
    [
        ([0.0, 0.2, 0.6, 0.6], 0.4, 3.5),
        ([0.0, 0.2, 0.6, 0.6], 0.2, 2.0),
        ([0.0, 0.2, 0.6, 0.6], 0.7, math.inf),
        ([0.0, 0.5, 0.1, 0.9], 0.4, 1.6),
        ([0.5, 0.2, 0.6, 0.6], 0.4, 0.0),
    ],
)
def test_the_crossing_is_the_first_and_between_steps(levels, threshold, expected):
    steps = numpy.array([0, 2, 5, 10])
    assert crossing(steps, numpy.array(levels), numpy.array(threshold)) == pytest.approx(expected)


def test_quantities_of_many_curves_at_once_are_those_of_each():
    random = numpy.random.default_rng(0)
    steps, levels, reference = numpy.array([0, 1, 4]), random.random((50, 3)), random.uniform(0, 1.2, 50)
    together = quantities(steps, levels, reference)
    for index in range(50):
        start, middle, end = levels[index]
        mean = ((start + middle) / 2 + 3 * (middle + end) / 2) / 4
        lost = reference[index] - start
        assert together["area"][index] == pytest.approx(mean)
        assert together["gap"][index] == pytest.approx(end - start)
        assert together["lost"][index] == pytest.approx(lost)
        if lost > 0:
            assert together["share"][index] == pytest.approx((mean - start) / lost)
        else:
            assert math.isnan(together["share"][index]) and math.isnan(together["half_steps"][index])


def test_planted_curves_give_their_planted_numbers(table):
    values = table["mean"]["rmu", "none"]
    mean = (0.3 + 0.6 + 0.85) / 3
    expected = {"start": 0.2, "lost": 0.8, "area": mean, "share": (mean - 0.2) / 0.8, "half_steps": 7.5, "gap": 0.7}
    assert values.to_dict() == pytest.approx(expected)
    assert set(table["budget"]) == {15} and set(table["facts"]) == {20} and set(table["seeds"]) == {2}
    rows = table.loc[("rmu", "none")]
    assert (rows["low"] <= rows["mean"]).all() and (rows["mean"] <= rows["high"]).all()
    assert (rows["low"] < rows["high"]).all()


def test_a_half_that_does_not_come_back_is_missing_and_said_so(table):
    row = table.loc[("rmu", "sam", "half_steps")]
    assert math.isnan(row["mean"]) and row["note"] == "not within the budget"
    assert table.loc[("rmu", "sam", "share"), "note"] == ""


@pytest.mark.parametrize("kind", [("rmu", "weight-noise"), ("reference", "none")])
def test_where_nothing_was_lost_there_is_no_share_of_it(table, kind):
    for name in ("share", "half_steps"):
        row = table.loc[(*kind, name)]
        assert row["note"] == "nothing lost" and row[["mean", "low", "high"]].isna().all()
    assert table.loc[(*kind, "area"), "note"] == "" and table.loc[(*kind, "lost"), "mean"] == 0


def test_the_interval_is_that_of_the_statistic_in_every_draw(table):
    """The same draws made one by one, with the statistic computed from each in plain Python."""
    random = numpy.random.default_rng(BOOTSTRAP.seed)
    random.multinomial(2, [0.5, 0.5], size=BOOTSTRAP.samples)
    shares = []
    for counts in random.multinomial(20, [1 / 20] * 20, size=BOOTSTRAP.samples):
        start, *levels = (
            sum(counts[fact] for fact in range(20) if fact < level * 20) / 20 for level in LEVELS["rmu", "none"]
        )
        mean = (start / 2 + levels[0] + levels[1] + levels[2] / 2) / 3
        shares.append((mean - start) / (1 - start))
    expected = numpy.quantile(shares, [0.025, 0.975])
    row = table.loc["rmu", "none", "share"]
    assert [row["low"], row["high"]] == pytest.approx(expected)


def test_differences_are_paired():
    table = recovery_differences(inputs(planted(LEVELS), ("none", "weight-noise"), ("sam", "rna")))
    table = table.set_index(["first", "second", "quantity"])
    assert set(table.index.droplevel(2)) == {("sam", "none"), ("none", "weight-noise"), ("weight-noise", "none")}
    row = table.loc[("sam", "none", "gap")]
    assert row["mean"] == pytest.approx(0.2 - 0.7) and row["high"] < 0
    half = 1 - 0.025 ** (1 / 20)
    assert table.loc[("sam", "none", "lost"), ["mean", "low", "high"]].tolist() == pytest.approx([0, -half, half])
    assert table.loc[("sam", "none", "half_steps"), "note"] == "not within the budget"
    assert table.loc[("none", "weight-noise", "share"), "note"] == "nothing lost"
    equal = recovery_differences(inputs(planted(LEVELS | {("rmu", "sam"): LEVELS["rmu", "none"]}))).query(
        "first == 'sam'"
    )
    assert (equal["mean"].fillna(0) == 0).all() and len(equal)
    assert equal.dropna(subset="p")["high"].tolist() == pytest.approx([half] * 4)


def test_other_facts_or_seeds_on_the_other_side_are_refused():
    fewer = planted({key: LEVELS[key] for key in LEVELS if key != ("rmu", "sam")}, facts=10)
    records = pandas.concat(
        [
            fewer,
            planted({("rmu", "sam"): LEVELS["rmu", "sam"]}),
            planted({("reference", "none"): LEVELS["reference", "none"]}),
        ]
    )
    with pytest.raises(ValueError, match="same facts and seeds"):
        recovery_differences(inputs(records.drop_duplicates(["method", "defence", "seed", "attack", "steps", "fact"])))


def test_the_default_study_has_every_curve_of_its_relearning_table():
    tables = default_world().tables
    keys = ["method", "defence", "attack", "documents"]
    assert set(tables["recovery"][keys].itertuples(index=False, name=None)) == set(
        tables["relearning"][keys].itertuples(index=False, name=None)
    )
    gaps = tables["recovery"].query("quantity == 'gap'").set_index(keys)["mean"]
    last = tables["relearning"].sort_values("steps").groupby(keys)["mean"]
    pandas.testing.assert_series_equal(
        gaps.sort_index(), (last.last() - last.first()).sort_index(), check_names=False, atol=1e-12
    )
    assert len(tables["recovery_differences"]) > 0
