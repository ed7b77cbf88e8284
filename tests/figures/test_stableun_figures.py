"""Figures of the StableUN and MUSE studies."""

from dataclasses import replace

import pandas
import pytest
from drawn import legend, lines, shown
from worlds import stableun_world, study_world

from unlearning_robustness.figures import style as look
from unlearning_robustness.figures.relearning import TITLE, _dealt
from unlearning_robustness.figures.relearning_budget import _named, _padded
from unlearning_robustness.figures.style import CHANCE_COLOUR, REFERENCE_COLOUR


def test_memorisation_has_a_filled_and_an_open_point_a_kind_and_lines_at_both_ends(draw):
    context = study_world("muse").context
    figure = draw("memorisation", context)
    assert legend(figure) == ["unlearned", "after relearning on 60 documents", "memorised", "never saw the texts"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 9 and labels[-3:] == ["GA, plain", "GA, SAM", "GA, StableUN, no projection"]
    axes, table = figure.axes[0], context.tables["memorisation"].query("metric == 'verbatim'")
    ends = [line.get_xdata()[0] for line in lines(axes, REFERENCE_COLOUR)]
    assert sorted(ends) == pytest.approx([10.0, 90.0])
    points = [line for line in axes.get_lines() if line.get_marker() in ("o", "v", "p")]
    assert len(points) == 18 == len(table.query("method not in ['reference', 'retrained']"))
    assert len([line for line in points if line.get_markerfacecolor() == "white"]) == 9


def test_the_landscape_line_has_a_curve_a_defence_on_axes_that_all_methods_share(draw):
    context = stableun_world().context
    figure = draw("landscape-line", context)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "NPO+KL: forget text", "NPO+KL: retain text", "GA: forget text", "GA: retain text"
    ]  # fmt: skip
    assert {"plain", "SAM", "StableUN, all four", "StableUN, no projection"} == set(legend(figure))
    # Bare ascent has no retain gradient to project on.
    last = ["stableun", "stableun", "stableun-unprojected", "stableun-unprojected"]
    for axes, stable in zip(figure.axes, last, strict=True):
        curves = {look.colour(name, context.defences): name for name in ("none", "sam", stable)}
        assert axes.get_xlim() == figure.axes[0].get_xlim()
        assert {0.0, 1.0} == {line.get_xdata()[0] for line in lines(axes, CHANCE_COLOUR, linestyle=":")}
        for colour, defence in curves.items():
            (line,) = lines(axes, colour)
            assert len(line.get_xdata()) == len(stableun_world().config["landscape"]["line"]), defence
    (plain,) = lines(figure.axes[0], look.BASELINE)
    # Planted: 2 + steepness (a - 1)^2, steepness 2 and 2.1 for the seeds.
    assert list(plain.get_ydata()) == pytest.approx([2 + 2.05 * (a - 1) ** 2 for a in plain.get_xdata()])
    assert figure.axes[0].get_ylim() == figure.axes[2].get_ylim()


def test_the_landscape_plane_has_one_colour_scale_and_both_models_in_every_panel(draw):
    context = stableun_world().context
    figure = draw("landscape-plane", context)
    *panels, forget_bar, retain_bar = figure.axes
    panels = [axes for axes in panels if axes.get_visible()]
    assert len(panels) == 3 * 2 * 2
    filled = [axes.collections[0] for axes in panels]
    table = context.tables["landscape"].query("slice == 'plane'")
    for corpus, first, bar in (("forget", 0, forget_bar), ("retain", 3, retain_bar)):
        mean = table.loc[table["corpus"] == corpus, "mean"]
        same = [part for row in (first, first + 6) for part in filled[row : row + 3]]
        assert len({tuple(part.levels) for part in same}) == 1 and len({part.get_clim() for part in same}) == 1
        assert same[0].levels[0] <= mean.min() and same[0].levels[-1] >= mean.max()
        assert bar.get_ylabel() == f"NLL a token of {corpus} text (nats)"
    for axes in panels:
        assert (axes.get_xlim(), axes.get_ylim()) == ((-1.5, 1.5), (-1.5, 1.5))
        assert [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines()] == [
            ("o", 0, 0), ("*", 1, 0)
        ]  # fmt: skip
    assert panels[0].get_title(loc="left") == "plain\n‖d₁‖ = 10"


def test_many_defences_are_dealt_to_panels_that_all_have_plain_and_weight_noise(draw):
    context = stableun_world().context
    panels = shown(draw("relearning", context))
    titles = [axes.get_title(loc="left") for axes in panels]
    assert max(len(line) for title in titles for line in title.splitlines()) <= TITLE
    numbered = [f"NPO+KL: 60 documents ({part}/3)" for part in (1, 2, 3)]
    several = [axes for axes in panels if axes.get_title(loc="left") in numbered]
    assert titles[:3] == numbered and len(panels) == 11 and "GradDiff: 60 documents\n(1/2)" in titles
    noise = look.colour("weight-noise", context.defences)
    for axes in several:
        assert len(lines(axes, look.BASELINE, marker="o")) == len(lines(axes, noise, marker="x")) == 1
    curves = [line for axes in several for line in axes.get_lines() if line.get_marker() in look.OTHER_MARKERS]
    assert len({(line.get_color(), line.get_marker()) for line in curves}) == len(curves) == 8
    assert titles[-1] == "NPO+KL: 60 documents,\nabout what is asked"
    assert "NPO+KL: 60 documents,\neach once" in titles
    assert "NPO+KL: 20 documents,\n1/2/3 passes" in titles


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (6, [6]), (7, [4, 3]), (13, [5, 4, 4])])
def test_defences_are_dealt_evenly_and_in_order(count, sizes):
    names = [str(number) for number in range(count)]
    parts = _dealt(names)
    assert [len(part) for part in parts] == sizes and [name for part in parts for name in part] == names


def test_the_budget_figure_has_a_dot_a_curve_at_its_area_and_the_references_line(draw):
    context = stableun_world().context
    figure, table = draw("relearning-budget", context), context.tables["recovery"]
    panels = {axes.get_title(loc="left").lstrip("\n"): axes for axes in figure.axes}
    assert len(panels) == 6
    assert max(len(line) for title in panels for line in title.splitlines()) <= TITLE
    areas = table[table["quantity"] == "area"].set_index(["attack", "method", "defence"])["mean"].sort_index()
    for title, attack in (
        ("60 documents", "relearn"),
        ("20 documents,\n1/2/3 passes", "relearn-passes"),
    ):
        axes, expected = panels[title], areas[attack]
        dots = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() in look.METHOD_MARKERS]
        assert sorted(dots) == pytest.approx(sorted(expected.drop("reference")))
        assert [list(line.get_xdata()) for line in lines(axes, REFERENCE_COLOUR)] == [
            [expected["reference", "none"]] * 2
        ]
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels[0] == "plain" and ("weight noise" in labels) == (attack == "relearn")
        assert len(labels) == expected.drop("reference").reset_index()["defence"].nunique()
    noise = look.colour("weight-noise", context.defences)
    assert len([line for line in lines(panels["60 documents"], noise) if line.get_marker() != "|"]) == 2 * 3
    assert {"NPO+KL", "GradDiff", "GA", "before the attack", "reference, same attack", "chance"} == set(legend(figure))


def test_columns_alike_name_their_rows_once_and_titles_beside_each_other_are_of_one_height():
    rows = {"a": ["none", "sam"], "b": ["none", "sam"], "c": ["none"]}
    assert [_named([["a"], ["b"], ["c"]], rows, index) for index in range(3)] == [True, False, True]
    # The first column is not compared with the last.
    assert _named([["a"], ["c"], ["b"]], rows, 0)
    titles = ["one", "two\nlines", "and\nthree\nlines"]
    assert [_padded(title, titles) for title in titles] == ["\n\none", "\ntwo\nlines", "and\nthree\nlines"]


def test_a_panel_of_sharpness_tells_the_rank_correlation_and_that_at_equal_start(draw):
    context = stableun_world().context
    # The world's few facts leave the start too uncertain to hold it fixed.
    table = context.tables["sharpness_correlations"].reset_index(drop=True)
    planted = table[table["statistic"] != "start"].assign(given="start", mean=0.25)
    table = pandas.concat([table, planted]).sort_index(kind="stable")
    figure = draw("sharpness", replace(context, tables={**context.tables, "sharpness_correlations": table}))
    panels = {axes.get_xlabel(): axes.get_title(loc="left").splitlines() for axes in shown(figure)}
    found = table[(table["statistic"] == "hessian_trace") & (table["method"] == "npo-kl")].set_index("given")["mean"]
    assert panels["trace of the Hessian"][0].startswith(f"NPO+KL: {found['nothing']:+.2f} [")
    assert panels["trace of the Hessian"][1].strip().startswith(f"at equal start {found['start']:+.2f} [")
    # At its own level nothing of it is left.
    assert not any("equal start" in line for line in panels["forget accuracy before (share)"])
