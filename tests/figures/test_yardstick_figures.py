"""Distances to the truth, and what attacks bring back beyond what they teach: planted tables."""

from dataclasses import replace

import pandas
import pytest
from drawn import legend, shown
from worlds import default_world

from unlearning_robustness.figures.style import REFERENCE_COLOUR
from unlearning_robustness.figures.yardstick import BAND, PANELS
from unlearning_robustness.figures.yardstick_trajectory import PANELS as ROADS

CELLS = [("reference", "none"), ("rmu", "none"), ("rmu", "rna"), ("npo-kl", "none"), ("retrained-b", "none")]
SPREAD = {"low": -0.02, "high": 0.02}


def distances():
    """Every cell at a distance of its own; the other true model within 0.02 of the yardstick."""
    rows = [
        {"method": method, "defence": defence, "role": role, "distance": distance,
         "never_trained": method == "retrained-b", "mean": level, "low": level - 0.02, "high": level + 0.02}
        for role, distance in PANELS for level, (method, defence) in zip((0.5, 0.1, 0.2, 0.3, 0.0), CELLS, strict=True)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


def recovery():
    """Attacks teach the yardstick 0.1 and recover 0.3 beyond it; earlier points and the gain are not drawn."""
    rows = [
        {"method": method, "defence": defence, "attack": attack, "documents": 60, "steps": steps, "point": "",
         "quantity": quantity, "mean": 0.015 * steps, "low": 0.015 * steps - 0.05, "high": 0.015 * steps + 0.05}
        for method, defence in CELLS[:4] for attack in ("relearn", "relearn-few") for steps in (10, 20)
        for quantity in ("corrected", "corrected_gain")
    ]  # fmt: skip
    rows += [{**rows[0], "method": "retrained", "attack": attack, "steps": 20, "quantity": "false_positive",
              "mean": 0.1, "low": 0.05, "high": 0.15} for attack in ("relearn", "relearn-few")]  # fmt: skip
    return pandas.DataFrame(rows)


def on_the_way():
    """Two runs that come nearer by 0.2 every six steps."""
    rows = [
        {"method": method, "defence": defence, "role": role, "distance": distance, "steps": steps,
         "mean": 0.4 - steps / 30, "low": 0.35 - steps / 30, "high": 0.45 - steps / 30}
        for method, defence in CELLS[1:4] for role, distance in ROADS for steps in (0, 6, 12)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


@pytest.fixture
def context():
    planted = default_world().context
    tables = {"yardstick": distances(), "yardstick_trajectory": on_the_way(), "corrected_recovery": recovery()}
    return replace(planted, tables=planted.tables | tables)


def bands(axes):
    return [tuple(round(x, 6) for x in (part.get_x(), part.get_x() + part.get_width())) for part in axes.patches]


def means(axes):
    return {round(float(level), 3): round(float(container.lines[0].get_xdata()[0]), 6)
            for container in axes.containers for level in container.lines[0].get_ydata()}  # fmt: skip


def test_every_panel_shows_its_cells_beside_the_zero(draw, context):
    figure = draw("yardstick", context)
    panels = shown(figure)
    assert len(panels) == len(PANELS)
    for axes, (_, unit) in zip(panels, PANELS.values(), strict=True):
        scale = 100 if unit == "points" else 1
        assert bands(axes) == [(-0.02 * scale, 0.02 * scale)] and axes.get_xlabel() == unit
        assert means(axes) == pytest.approx({0: 0.5 * scale, 1: 0.1 * scale, 2: 0.2 * scale, 3: 0.3 * scale})
    assert next(label.get_text() for label in panels[0].get_yticklabels()) == "reference"
    assert panels[0].containers[0].lines[0].get_color() == REFERENCE_COLOUR
    assert legend(figure) == ["another model trained without the forget facts", "the yardstick itself"]


def test_without_another_true_model_there_is_no_band(draw, context):
    table = distances().query("not never_trained")
    figure = draw("yardstick", replace(context, tables=context.tables | {"yardstick": table}))
    assert not any(bands(axes) for axes in shown(figure)) and legend(figure) == ["the yardstick itself"]


def test_an_attack_is_shown_at_its_end_beside_its_false_positives(draw, context):
    figure = draw("corrected-recovery", context)
    panels = shown(figure)
    assert len(panels) == 2
    for axes in panels:
        assert bands(axes) == [(5, 15)] and means(axes) == pytest.approx(dict.fromkeys(range(4), 30.0))
        assert axes.patches[0].get_facecolor()[0] == pytest.approx(int(BAND[1:3], 16) / 255)


def test_each_run_is_a_line_towards_the_zero(draw, context):
    figure = draw("yardstick-trajectory", context)
    panels = shown(figure)
    assert len(panels) == 2 * len(ROADS)
    drawn = [line for line in panels[0].get_lines() if len(line.get_xdata()) == 3]
    assert len(drawn) == 2 and [list(line.get_ydata()) for line in drawn] == [pytest.approx([40, 20, 0])] * 2
    # Of accuracies there is a zero in the planted table; of the right choice's probability there is none.
    assert [len(axes.patches) for axes in panels[:4]] == [1, 0, 1, 1]
    assert legend(figure)[0] == "another model trained without the forget facts"


@pytest.mark.parametrize("name", ["yardstick", "yardstick-trajectory", "corrected-recovery"])
def test_a_study_without_a_yardstick_says_so(draw, name):
    (axes,) = draw(name, default_world().context).axes
    assert "trained without the forget facts" in axes.texts[0].get_text()
