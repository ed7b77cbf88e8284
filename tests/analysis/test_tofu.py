import statistics

import numpy
import pandas
import pytest
from scipy.stats import ks_2samp
from synthetic import analysis

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.tofu import COLUMNS, tofu
from unlearning_robustness.config.cells import Cell

SETTINGS = {"protocol": "tofu", "retrain": {"model": "retain-only"}}
ROLES = ("forget", "retain", "real-authors", "world-facts")


def records_of(method, seed, shift, attack="none"):
    """Made-up records: probability 0.5, ROUGE 0.4, truth ratios around ``shift`` on forget and 0.5 elsewhere."""
    random, rows = numpy.random.default_rng(seed), []
    for role in ROLES:
        ratios = random.uniform(0.9, 1.1, 40) * (shift if role == "forget" else 0.5)
        for item, ratio in enumerate(ratios):
            for metric, value in (("probability", 0.5), ("rouge-recall", 0.4), ("truth-ratio", ratio)):
                rows.append({"metric": metric, "role": role, "item": f"{role}/{item}", "value": value})
    return pandas.DataFrame(rows).assign(**vars(Cell("m", "tofu", method, "none", seed)), attack=attack)


def table_of(records, settings=SETTINGS, log=()):
    return tofu(
        Inputs({"memorisation": records, "retain_log": list(log)}, analysis(seed=3) | {"memorisation": settings})
    )


@pytest.fixture
def records():
    parts = [records_of("retrained", 9, 1.0), records_of("reference", 0, 0.2)]
    parts += [records_of("npo", seed, 1.0) for seed in (0, 1)] + [records_of("npo", 0, 0.2, "relearn")]
    return pandas.concat(parts, ignore_index=True)


def row(table, method, metric, role="forget", attack="none"):
    found = table.query("method == @method and metric == @metric and role == @role and attack == @attack")
    assert len(found) == 1
    return found.iloc[0]


def test_quality_is_high_for_a_model_like_the_retain_only_one_and_low_for_one_that_knows(records):
    table = table_of(records)
    assert row(table, "reference", "forget-quality")["mean"] < 1e-9
    assert row(table, "npo", "forget-quality", attack="relearn")["mean"] < 1e-9
    assert row(table, "retrained", "forget-quality")["mean"] == 1.0
    never = records.query("method == 'retrained' and metric == 'truth-ratio' and role == 'forget'")["value"]
    found = [
        ks_2samp(part["value"], never).pvalue
        for _, part in records.query(
            "method == 'npo' and attack == 'none' and metric == 'truth-ratio' and role == 'forget'"
        ).groupby("seed")
    ]
    quality = row(table, "npo", "forget-quality")
    assert quality[["mean", "low", "high"]].tolist() == pytest.approx([sum(found) / 2, min(found), max(found)])
    assert row(table, "npo", "forget-quality-log10")["mean"] == pytest.approx(numpy.log10(found).mean())


def test_truth_goes_one_way_on_the_forget_set_and_the_other_elsewhere(records):
    table = table_of(records)
    assert row(table, "reference", "truth")["mean"] == pytest.approx(0.2, abs=0.01)
    assert row(table, "npo", "truth")["mean"] > 0.9
    for role in ROLES[1:]:
        assert row(table, "reference", "truth", role)["mean"] == pytest.approx(0.5, abs=0.02)


def test_utility_is_the_harmonic_mean_of_nine_means_and_leaves_forgetting_out(records):
    table = table_of(records)
    nine = [
        row(table, "npo", metric, role)["mean"]
        for metric in ("probability", "rouge-recall", "truth")
        for role in ROLES[1:]
    ]
    utility = row(table, "npo", "model-utility", "")
    assert utility["mean"] == pytest.approx(statistics.harmonic_mean(nine))
    assert utility["low"] < utility["mean"] < utility["high"]
    assert utility["facts"] == 120 and utility["seeds"] == 2


def test_a_published_log_stands_for_the_retain_only_model(records, tmp_path):
    import json

    never = records.query("method == 'retrained' and metric == 'truth-ratio' and role == 'forget'")["value"]
    log = {"forget_truth_ratio": {"value_by_index": {str(n): {"score": value} for n, value in enumerate(never)}}}
    (tmp_path / "log.json").write_text(json.dumps(log))
    own = table_of(records)
    without = records[records["method"] != "retrained"]
    by_log = table_of(without, log=[tmp_path / "log.json"])
    pandas.testing.assert_frame_equal(by_log, own[own["method"] != "retrained"].reset_index(drop=True))


def test_another_protocol_has_an_empty_table(records):
    assert list(table_of(records, {"protocol": "muse"}).columns) == COLUMNS
    assert table_of(records, {}).empty
