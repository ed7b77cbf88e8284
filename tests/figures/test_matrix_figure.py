"""The cross-robustness matrix."""

from dataclasses import replace

import pytest
from drawn import legend
from matplotlib.patches import Polygon, Rectangle
from worlds import default_world, study_world

from unlearning_robustness.analysis.matrix import NO_POINT
from unlearning_robustness.figures.matrix import HARM, HATCH, _harm
from unlearning_robustness.figures.relearning import TITLE, setting
from unlearning_robustness.figures.style import DEFENCE


@pytest.fixture
def drawn(draw):
    """Of a study whose two seeds show nothing, with p-values as if every rise were shown."""
    context = study_world("matrix").context
    table = context.tables["matrix_differences"]
    table = table.assign(p_holm=table["p_holm"].mask(table["p_holm"].notna() & (table["mean"] > 0), 0.01))
    context = replace(context, tables=context.tables | {"matrix_differences": table})
    return context, draw("matrix", context)


def boxes(figure, hatched=False):
    return [
        part for part in figure.axes[0].patches if isinstance(part, Rectangle) and bool(part.get_hatch()) == hatched
    ]


def test_every_model_and_every_column_has_a_cell_with_its_number(drawn):
    context, figure = drawn
    axes, table = figure.axes[0], context.tables["matrix"]
    attacks = 9
    assert {len(row["attacks"]) for row in study_world("matrix").config["study"]["cells"]} == {1 + attacks}
    assert len(axes.get_yticks()) == 16 and len(axes.get_xticks()) == 3 + attacks + 1
    assert len(boxes(figure)) == len(table) == 16 * (3 + attacks + 1)
    texts = [text.get_text() for text in axes.texts if text.get_text().strip().isdigit()]
    assert sorted(texts) == sorted(f"{100 * mean:.0f}" for mean in table["mean"])
    assert axes.get_yticklabels()[0].get_text() == "reference, not unlearned"
    assert axes.get_xticklabels()[-1].get_text() == "worst of all attacks"


def test_the_lighter_the_better_on_both_sides(drawn):
    context, figure = drawn
    assert _harm("retain", 1.0, 0.25) == _harm("forget", 0.25, 0.25) == _harm("worst", 0.2, 0.25) == 0
    assert _harm("forget-token", 0.25, 0.25) == _harm("logit-lens", 1.0, 0.25) == 1
    shades = {tuple(box.get_facecolor()) for box in boxes(figure)}
    table = context.tables["matrix"]
    assert {HARM(_harm(row["column"], row["mean"], 0.25)) for _, row in table.iterrows()} == shades


def test_attacks_that_cost_too_much_utility_are_hatched(drawn):
    context, figure = drawn
    hatched = boxes(figure, hatched=True)
    table = context.tables["matrix"]
    assert all(box.get_hatch() == HATCH for box in hatched)
    # The planted pruning leaves retain accuracy at 50 %.
    assert len(hatched) == table["setting"].str.contains(NO_POINT).sum() == (table["column"] == "prune").sum() == 16


def test_corners_mark_what_the_family_shows_and_the_legend_says_which_way(drawn):
    context, figure = drawn
    corners = [part for part in figure.axes[0].patches if isinstance(part, Polygon)]
    table = context.tables["matrix_differences"]
    sure = table[(table["second"] == "none") & (table["p_holm"] < 0.05)]
    assert len(corners) == len(sure) > 0
    better = (sure["mean"] > 0) == sure["column"].isin(["retain", "forget-token"])
    blue = [part for part in corners if part.get_facecolor()[:3] == pytest.approx(_rgb(DEFENCE))]
    assert len(blue) == better.sum()
    assert "better than plain unlearning" in legend(figure) and len(legend(figure)) == 5


def _rgb(colour):
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))


def test_a_study_that_chooses_no_strengths_says_so(draw):
    figure = draw("matrix", default_world().context)
    assert "scoring.splits" in figure.axes[0].texts[0].get_text()


def test_a_panel_bears_the_name_of_an_attack_that_has_no_documents():
    context = study_world("matrix").context
    assert setting(context, "gcg", 0).split() == context.attack_label("gcg").split()
    assert max(map(len, setting(context, "gcg", 0).splitlines())) <= TITLE
    assert setting(context, "few-shot", 0) == "answered questions\nbefore it"
    assert setting(context, "relearn", 60) == "60 documents"
