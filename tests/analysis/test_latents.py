import numpy
import pandas
import pytest
from scipy.stats import t
from synthetic import analysis
from synthetic_measures import nothing
from worlds import rna_world

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.latents import latents, noise_of, scale_of_token
from unlearning_robustness.analysis.rejection import rejection_probability

KEYS = {"model": "m", "benchmark": "b", "method": "rmu", "defence": "none", "contrast": "forget", "position": "answer",
        "layer": 7, "statistic": "eta", "at": 0.0, "questions": 40}  # fmt: skip


def table_of(measured):
    return latents(Inputs({"latents": measured}, analysis()))


def test_the_interval_covers_questions_and_seeds():
    rows = pandas.DataFrame([{**KEYS, "seed": seed, "value": value, "error": 0.3} for seed, value in
                             enumerate((1.0, 2.0, 3.0))])  # fmt: skip
    (row,) = table_of(rows).itertuples()
    freedom = (0.09 + 1 / 3) ** 2 / (0.09**2 / 39 + (1 / 3) ** 2 / 2)
    half = t.ppf(0.975, freedom) * numpy.sqrt(0.3**2 + 1.0 / 3)
    assert 3 < freedom < 3.3 and row.freedom == pytest.approx(freedom)
    assert (row.mean, row.low, row.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half)) and row.seeds == 3


def test_one_seed_has_the_questions_variation_alone():
    (row,) = table_of(pandas.DataFrame([{**KEYS, "seed": 0, "value": 1.0, "error": 0.5}])).itertuples()
    assert row.high - row.low == pytest.approx(2 * t.ppf(0.975, 39) * 0.5)


def test_three_seeds_that_differ_are_covered():
    """With a quantile of 1.96 the interval covered 81 %."""
    random = numpy.random.default_rng(1)
    draws = random.standard_normal((400, 3)) + 0.3 * random.standard_normal((400, 1))
    rows = [{**KEYS, "at": at, "seed": seed, "value": value, "error": 0.3}
            for at, values in enumerate(draws) for seed, value in enumerate(values)]  # fmt: skip
    table = table_of(pandas.DataFrame(rows))
    assert 0.91 < ((table["low"] < 0) & (table["high"] > 0)).mean() < 0.99


def test_without_measured_latents_there_are_no_rows_and_no_scale():
    empty = table_of(nothing("latents"))
    assert empty.empty and {"mean", "low", "high"} <= set(empty.columns)
    settings = {"eta_position": "answer", "read_layer": 7}
    assert scale_of_token(empty, "m", "b", "rmu", settings) is None
    found = table_of(pandas.DataFrame([{**KEYS, "seed": 0, "value": 1.5, "error": 0.0}]))
    assert scale_of_token(found, "m", "b", "rmu", settings) == 1.5
    assert scale_of_token(found, "m", "b", "npo", settings) is None


def test_a_matched_control_stands_at_the_noise_of_what_it_matches():
    defences = {
        "rna": {"parameters": {"noise_scale": 1.5}, "per_method": {"rsv": {"noise_scale": 3.0}}},
        "stop": {"parameters": {"match": "rna", "every": 6}, "per_method": {}},
        "sgd": {"parameters": {"learning_rate": 1.0}, "per_method": {}},
    }
    assert noise_of("rna", "rmu", defences) == 1.5 and noise_of("stop", "rsv", defences) == 3.0
    assert noise_of("sgd", "rmu", defences) is None and noise_of("rna.sgd", "rmu", defences) is None


def test_rejection_is_compared_with_the_theory_at_the_measured_ratio():
    table = rna_world().tables["rejection"].set_index(["method", "defence"])
    row = table.loc[("rmu", "rna")]
    assert row["draws_2"] == pytest.approx(rejection_probability(row["ratio"], 2))
    # A forget token costs planted plain RMU 27 points and RNA none: where it costs nothing, the effect is rejected.
    assert row["mean"] == pytest.approx(1.0)
    assert numpy.isnan(table.loc[("rsv", "rna"), "ratio"])
