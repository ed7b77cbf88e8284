"""Areas and correlations are drawn as they are planted, the best measure of a family first."""

from dataclasses import replace

import pandas
import pytest
from drawn import legend, shown
from worlds import default_world

from unlearning_robustness.report.context import read_context

AREAS = {("answers", "accuracy", "none"): 0.5, ("answers", "accuracy", "relearn"): 1.0,
         ("sharpness", "sam_gap", "none"): 0.1}  # fmt: skip


def rows(columns):
    return pandas.DataFrame([
        {"family": family, "measure": measure, "at": 3.0 if family == "sharpness" else None, "attack": attack,
         "point": None, "mean": area, "low": area - 0.1, "high": min(1.0, area + 0.1), **columns}
        for (family, measure, attack), area in AREAS.items()
    ])  # fmt: skip


@pytest.fixture
def context():
    related = pandas.concat([rows({"given": "nothing"}), rows({"given": "start"})]).query("attack == 'none'")
    tables = {"meta_evaluation": rows({"knowing": 4, "never": 2}), "meta_correlations": related}
    context = default_world().context
    return replace(context, every_measure={**context.every_measure, **tables})


def points(axes):
    return [(round(float(level), 2), round(float(value), 3)) for container in axes.containers
            for value, level in zip(*container.lines[0].get_data(), strict=True)]  # fmt: skip


def test_measures_stand_in_order_and_correlations_beside_them(draw, context):
    left, right = shown(draw("meta-evaluation", context))
    assert points(left) == [(0, 1.0), (1, 0.5), (2, 0.1)]
    assert points(right) == [(0.85, 0.5), (1.15, 0.5), (1.85, 0.1), (2.15, 0.1)]
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels[0].startswith("forget accuracy after relearning") and labels[1:] == [
        "forget accuracy",
        "ascent gap at 3",
    ]
    assert [container.lines[0].get_fillstyle() for container in right.containers] == ["none", "full"] * 2


def test_every_measure_that_was_measured_is_read_from_the_table(draw, tmp_path):
    place = {"model": "m", "benchmark": "b"}
    rows({"knowing": 4, "never": 2, **place}).to_csv(tmp_path / "meta_evaluation.csv", index=False)
    pandas.DataFrame().to_csv(tmp_path / "meta_correlations.csv", index=False)
    settings = default_world().context.settings
    read = read_context(tmp_path.glob("*.csv"), settings, "m", "b")
    assert len(shown(draw("meta-evaluation", read))[0].containers) == len(AREAS)


def test_families_are_named_once(draw, context):
    assert legend(draw("meta-evaluation", context)) == ["answers", "sharpness"]


def test_without_correlations_the_areas_are_drawn_alone(draw, context):
    tables = {**context.every_measure, "meta_correlations": pandas.DataFrame()}
    left, right = shown(draw("meta-evaluation", replace(context, every_measure=tables)))
    assert len(left.containers) == 3 and not right.containers


def test_a_study_that_names_no_knowing_models_says_so(draw):
    (axes,) = draw("meta-evaluation", default_world().context).axes
    assert "hold the forget facts" in axes.texts[0].get_text()
