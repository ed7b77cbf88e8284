"""Two measures of every answer: whether it is right, and how probable the right choice is among the choices."""

import numpy
import pandas
import pytest
from synthetic import analysis, inputs_of
from worlds import default_world

from unlearning_robustness.analysis import OF_ANSWERS, TABLES, computed
from unlearning_robustness.analysis.inputs import COLUMNS, Inputs
from unlearning_robustness.analysis.intervals import Intervals
from unlearning_robustness.analysis.significance import rows_where
from unlearning_robustness.config.cells import ACCURACY, PROBABILITY

INTERVALS = Intervals(0.95)


@pytest.fixture
def tables():
    return default_world().context.every_measure


@pytest.fixture
def records():
    """Unattacked answers of plain RMU and RMU with RNA, with their softmax by hand."""
    rows = default_world().records.query("attack == 'none' and method == 'rmu'")
    weights = numpy.exp(numpy.stack(rows["log_likelihoods"].to_numpy()).astype(float))
    return rows.assign(probable=weights[:, 0] / weights.sum(axis=1))


def one(table, **wanted):
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_every_table_of_answers_has_each_row_by_both_measures(tables):
    assert set(TABLES) > OF_ANSWERS
    for name in OF_ANSWERS:
        counts = tables[name]["measure"].value_counts() if len(tables[name]) else {ACCURACY: 0, PROBABILITY: 0}
        assert counts[ACCURACY] == counts[PROBABILITY] and len(tables[name]) == 2 * counts[ACCURACY], name
    assert all("measure" not in tables[name] for name in ("costs", "measures"))
    assert {len(tables[name]) > 0 for name in ("accuracy", "differences", "recovery", "attacked_differences")} == {True}


def test_a_probability_is_the_mean_softmax_of_the_right_choice(tables, records):
    named = {"role": "retain", "probe": "forget-token"}
    asked = records[(records["role"] == "retain") & (records["probe"] == "forget-token")]
    means = asked.groupby("defence")["probable"].mean()
    row = one(tables["accuracy"], method="rmu", defence="rna", measure=PROBABILITY, **named)
    assert row["mean"] == pytest.approx(means["rna"], rel=1e-6) and row["low"] < row["mean"] < row["high"]
    row = one(tables["differences"], method="rmu", first="rna", second="none", measure=PROBABILITY, **named)
    assert row["mean"] == pytest.approx(means["rna"] - means["none"], rel=1e-6)


def test_rows_are_those_of_accuracy_unless_a_measure_is_named(tables):
    table = tables["token_effects"]
    named = {"method": "rmu", "defence": "none", "contrast": "token"}
    assert rows_where(table, named, "here")["measure"].tolist() == [ACCURACY]
    assert rows_where(table, named | {"measure": PROBABILITY}, "here")["measure"].tolist() == [PROBABILITY]
    assert len(rows_where(tables["measures"], {"method": "rmu"}, "here"))


def test_a_claim_is_pooled_by_the_measure_that_it_names(tables):
    world = default_world()
    claim = {"table": "token_effects", "where": {"method": "rmu", "defence": "none", "contrast": "beyond_control"},
             "minus": 0.0}  # fmt: skip
    claims = {"right": claim, "probable": claim | {"where": claim["where"] | {"measure": PROBABILITY}}}
    records = world.records[world.records["method"] == "rmu"]
    pooled = computed(["pooled"], inputs_of(records, world.config | {"claims": claims}))["pooled"].set_index("claim")
    for name, measure in (("right", ACCURACY), ("probable", PROBABILITY)):
        row = one(tables["token_effects"], method="rmu", defence="none", contrast="beyond_control", measure=measure)
        assert pooled.loc[name, "mean"] == pytest.approx(row["mean"], rel=1e-6)
    assert pooled["mean"].nunique() == 2


def test_records_without_likelihoods_have_accuracy_alone():
    world = default_world()
    bare = world.records.drop(columns="log_likelihoods").query("method == 'rmu' and attack == 'none'")
    assert set(computed(["accuracy"], inputs_of(bare, world.config))["accuracy"]["measure"]) == {ACCURACY}


def simulated(shift, seeds, facts, random):
    """What a shift of the right choice's log-odds does to both measures, each (seeds, facts).

    Facts differ, and training moves each seed and each fact of it by chance, on both sides alike.
    """
    known = random.normal(1.5, 1.5, (1, facts))
    odds = [known - moved + random.normal(0, 0.2, (seeds, 1)) + random.normal(0, 0.7, (seeds, facts))
            for moved in (0.0, shift)]  # fmt: skip
    before, after = ((1 / (1 + numpy.exp(-side)), (side > 0).astype(float)) for side in odds)
    return {ACCURACY: after[1] - before[1], PROBABILITY: after[0] - before[0]}


def power(shift, seeds, facts, draws=800):
    """How often an interval leaves out zero, by measure."""
    random, shown = numpy.random.default_rng([seeds, facts]), {ACCURACY: 0, PROBABILITY: 0}
    for _ in range(draws):
        for measure, values in simulated(shift, seeds, facts, random).items():
            shown[measure] += INTERVALS.effect(pandas.DataFrame(values)).excludes_zero
    return {measure: count / draws for measure, count in shown.items()}


def test_a_planted_effect_needs_fewer_facts_and_seeds_by_probability():
    """Half as many facts, or a seed less, show by probability what accuracy shows with all of them."""
    full, fewer_facts, fewer_seeds = power(0.4, 8, 150), power(0.4, 8, 75), power(0.4, 7, 150)
    assert 0.75 < full[ACCURACY] < full[PROBABILITY] - 0.04
    assert min(fewer_facts[PROBABILITY], fewer_seeds[PROBABILITY]) >= full[ACCURACY] - 0.02
    assert max(fewer_facts[ACCURACY], fewer_seeds[ACCURACY]) < full[ACCURACY] - 0.04
    assert max(power(0.0, 8, 150).values()) < 0.05 + 3 * (0.05 * 0.95 / 800) ** 0.5


def test_tables_that_read_no_answers_need_none():
    records = pandas.DataFrame(columns=COLUMNS["trajectory"])
    assert computed(["trajectory"], Inputs({"trajectory": records}, analysis()))["trajectory"].empty
