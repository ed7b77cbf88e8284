from dataclasses import replace

import numpy
import pytest
from drawn import legend, lines, shown
from synthetic import ONLY_RMU, PLACE, planted_context, study
from worlds import default_world, rna_world, study_world

from studies import load_study
from unlearning_robustness.analysis.bootstrap import spearman
from unlearning_robustness.config.cells import ANSWER_MEASURES
from unlearning_robustness.config.constants import constant
from unlearning_robustness.config.display import figure_settings
from unlearning_robustness.config.kinds import FIGURES as REGISTRY
from unlearning_robustness.config.kinds import module_of
from unlearning_robustness.errors import StudyError
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures import style as look
from unlearning_robustness.figures.style import CHANCE_COLOUR, METHOD_MARKERS, REFERENCE_COLOUR, pyplot, save
from unlearning_robustness.report.context import of_measure, read_context

WITH_RNA = [*ONLY_RMU, {"methods": ["rmu"], "defences": ["rna"], "attacks": ["none"]}]


@pytest.fixture(scope="module")
def context():
    return default_world().context


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return planted_context(study(ONLY_RMU, seeds=[0]), tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def with_rna(tmp_path_factory):
    return planted_context(study(WITH_RNA, seeds=[0]), tmp_path_factory.mktemp("rna"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_twice_into_equal_files_without_a_warning(draw, context, tmp_path, name):
    files = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"{name}.{kind}" for kind in ("svg", "pdf")]
        save(draw(name, context), *paths)
        files.append([path.read_bytes() for path in paths])
        assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)
    assert files[0] == files[1]
    assert files[0][0].startswith(b"<?xml")
    assert files[0][1].startswith(b"%PDF")
    assert not pyplot.get_fignums()


class Observed(dict):
    """Settings that note which of them are looked at."""

    def __init__(self, settings):
        super().__init__(settings)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


# Figures of what no planted study has: models that never had the facts, surely hold them or are varied, searches with a
# control.
UNMEASURED = {"corrected-recovery", "meta-evaluation", "search-losses", "variation"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_reads_the_settings_that_it_names_and_no_other(draw, name):
    named = set(constant(module_of(REGISTRY, name), "SETTINGS"))
    worlds = [default_world(), *map(study_world, ("rna-controls", "stableun-controls", "muse", "matrix"))]
    observed = [Observed(world.context.settings) for world in worlds]
    for world, settings in zip(worlds, observed, strict=True):
        draw(name, replace(world.context, settings=settings))
    read = set().union(*(settings.read for settings in observed)) - {"methods", "defences"}
    assert read <= named if name in UNMEASURED else read == named


STUDIES = ("rna", "rna-controls", "stableun-controls", "muse")
PAPERS = [(study, name) for study in STUDIES for name in load_study(study)["study"]["figures"]]


@pytest.mark.parametrize(("study", "name"), PAPERS)
def test_every_figure_of_a_papers_study_has_something_to_show(draw, study, name, tmp_path):
    figure = draw(name, study_world(study).context)
    texts = [text.get_text() for axes in shown(figure) for text in axes.texts]
    assert not any(text.startswith("This study") for text in texts)
    save(figure, tmp_path / "a.svg", tmp_path / "a.pdf")


def test_objectives_have_one_row_each_and_variants_none(draw):
    figure = draw("objectives", rna_world().context)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [
        "RMU", "Adaptive RMU", "RSV", "NPO+KL", "NPO+MSE", "SimNPO+KL", "SimNPO+MSE", "DPO+KL", "DPO+MSE"
    ]  # fmt: skip
    assert {"plain", "RNA", "stopped early", "reference", "chance"} == set(legend(figure))


def test_the_layer_sweep_has_the_method_itself_at_its_own_layer(draw):
    context = rna_world().context
    axes = draw("layer-sweep", context).axes[0]
    (line,) = lines(axes, look.BASELINE)
    assert list(line.get_xdata()) == [3, 7, 12, 18]


def test_more_tokens_are_counted_on_the_same_facts(draw):
    context = rna_world().context
    table = context.tables["token_counts"]
    assert sorted(table["count"].unique()) == [0, 1, 2, 4, 8] and set(table["tokens"]) == {"forget", "neutral"}
    assert table.groupby(["method", "defence", "tokens"])["facts"].nunique().max() == 1
    figure = draw("token-count", context)
    assert figure.axes[0].get_title(loc="left") == "Reference"


def test_the_rejection_figure_holds_theory_simulation_and_every_noise_scale(draw):
    context = rna_world().context
    table = context.tables["rejection"]
    measured = table[table["ratio"].notna()]
    assert set(measured["method"]) == {"rmu", "npo-kl"}
    assert measured.set_index(["method", "defence"]).loc[("rmu", "rna"), "ratio"] == pytest.approx(
        rna_world().config["defences"]["rna"]["parameters"]["noise_scale"] / 2.0
    )
    (axes,) = draw("rejection", context).axes
    assert len(axes.containers) == len(measured)


@pytest.mark.parametrize("name", ["accuracy", "noise-sweep", "relearning", "tradeoff"])
def test_chance_is_drawn_in_every_panel(draw, context, name):
    assert context.chance == 0.25
    for axes in shown(draw(name, context)):
        places = [
            set(line.get_xdata() if name in ("accuracy", "tradeoff") else line.get_ydata())
            for line in lines(axes, CHANCE_COLOUR, linestyle=":")
        ]
        assert {0.25} in places


def test_the_accuracy_figure_shows_every_defence_of_every_method_at_its_accuracy(draw, context):
    figure = draw("accuracy", context)
    table = context.tables["accuracy"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["RMU", "RSV", "NPO+KL"]
    for axes, method in zip(figure.axes, ("rmu", "rsv", "npo-kl"), strict=True):
        rows = table[(table["method"] == method) & table["probe"].isin(context.answer_probes())]
        labels = axes.get_legend_handles_labels()[1]
        assert len(labels) == rows["defence"].nunique()
        drawn = [
            value for line in axes.get_lines() if line.get_color() != REFERENCE_COLOUR for value in line.get_xdata()
        ]
        assert set(rows["mean"].round(9)) <= set(numpy.round(drawn, 9))
        assert len(lines(axes, REFERENCE_COLOUR, linewidth=1.2)) == len(rows[["role", "probe"]].drop_duplicates())
    assert {"reference", "chance", "plain", "RNA"} <= set(legend(figure))


def test_a_combination_of_defences_is_shown_in_the_accuracy_figure(draw, tmp_path):
    cells = [*WITH_RNA, {"methods": ["rmu"], "defences": ["rna.gradient-noise"], "attacks": ["none"]}]
    figure = draw("accuracy", planted_context(study(cells, seeds=[0]), tmp_path))
    assert "RNA + gradient noise" in legend(figure)


def test_the_noise_sweep_shows_reference_plain_and_every_scale(draw, context):
    figure = draw("noise-sweep", context)
    table = context.tables["accuracy"].query("method == 'reference'").set_index(["role", "probe"])["mean"]
    keys = [("forget", "plain"), ("retain", "plain"), ("retain", "forget-token")]
    for axes, key in zip(figure.axes, keys, strict=True):
        assert [set(line.get_ydata()) for line in lines(axes, REFERENCE_COLOUR)] == [{table[key]}]
        (rna,) = lines(axes, look.colour("rna", context.defences), linestyle="-")
        scales = [
            part["parameters"]["noise_scale"] / 5
            for part in default_world().config["defences"].values()
            if part["kind"] == "rna"
        ]
        assert list(rna.get_xdata()) == pytest.approx(sorted([0.0, *scales]))
    assert {"RNA", "stopped early", "gradient noise", "plain", "reference", "chance"} == set(legend(figure))


def test_a_stop_at_equal_distance_is_no_point_of_the_line_of_those_at_equal_forgetting(draw, tmp_path):
    cells = [
        {"methods": ["reference"], "defences": ["none"], "attacks": ["none"]},
        {"methods": ["rmu"], "defences": ["none", "rna", "early-stop", "same-distance"], "attacks": ["none"]},
    ]
    context = planted_context(study(cells, seeds=[0]), tmp_path)
    figure = draw("noise-sweep", context)
    (line,) = lines(figure.axes[0], look.colour("early-stop", context.defences), linestyle="--")
    assert len(line.get_xdata()) == 2 and "stopped at equal distance" not in legend(figure)


def test_every_method_with_a_sweep_has_a_row_of_the_noise_sweep(draw, tmp_path):
    cells = [
        {"methods": ["reference"], "defences": ["none"], "attacks": ["none"]},
        {"methods": ["rmu", "npo-kl"], "defences": ["none", "rna-weak", "rna", "rna-strong"], "attacks": ["none"]},
        {"methods": ["rsv"], "defences": ["none", "rna"], "attacks": ["none"]},
    ]
    figure = draw("noise-sweep", planted_context(study(cells, seeds=[0]), tmp_path))
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["accuracy,\nRMU", "accuracy,\nNPO+KL"]
    assert len(figure.axes) == 6


def test_relearning_curves_stand_under_the_reference_under_the_same_attack(draw, context):
    figure = draw("relearning", context)
    assert {"reference, same attack", "chance", "plain", "RNA"} <= set(legend(figure))
    table = context.tables["relearning"]
    runs = table[table["method"] != "reference"][["attack", "documents", "method"]].drop_duplicates()
    assert len(shown(figure)) == len(runs) == 6
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "RMU: 60 documents")
    reference = table.query("method == 'reference' and attack == 'relearn'").sort_values("steps")
    (curve,) = lines(axes, REFERENCE_COLOUR)
    assert list(curve.get_ydata()) == list(reference["mean"])
    assert len([axes for axes in figure.axes if "wrong answers" in axes.get_title(loc="left")]) == 1


def test_the_tradeoff_has_a_star_for_the_reference_and_a_point_a_cell_kind(draw, context):
    (axes,) = draw("tradeoff", context).axes
    (star,) = lines(axes, REFERENCE_COLOUR, marker="*")
    table = context.tables["accuracy"].set_index(["method", "defence", "role", "probe"])["mean"]
    assert star.get_xdata()[0] == table["reference", "none", "forget", "plain"]
    assert star.get_ydata()[0] == table["reference", "none", "retain", "forget-token"]
    texts = [text.get_text() for text in axes.texts]
    assert {"RMU", "RSV", "NPO+KL", "reference", "chance"} <= set(texts)


def test_differences_have_a_panel_a_comparison_and_a_line_at_zero(draw, context):
    figure = draw("differences", context)
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert titles == {"RNA\n− plain", "RNA\n− stopped early", "RNA\n− gradient noise"}
    assert all([0, 0] in [list(line.get_xdata()) for line in lines(axes, REFERENCE_COLOUR)] for axes in figure.axes)


def test_the_legend_of_differences_names_every_method_with_a_point(draw, tmp_path):
    cells = [
        {"methods": ["rmu"], "defences": ["none", "rna", "early-stop"], "attacks": ["none"]},
        {"methods": ["rsv"], "defences": ["none", "rna"], "attacks": ["none"]},
    ]
    figure = draw("differences", planted_context(study(cells, seeds=[0]), tmp_path))
    assert sorted(legend(figure)) == [f"{method}, {name}" for method in ("RMU", "RSV") for name in ANSWER_MEASURES]


def test_differences_show_both_measures_of_an_answer(draw, context):
    table = context.every_measure["differences"]
    rows = table[(table["first"] == "rna") & (table["second"] == "none") & (table["method"] == "rmu")]
    drawn = [
        line for line in draw("differences", context).axes[0].get_lines() if line.get_marker() == METHOD_MARKERS[0]
    ]
    for line, measure, filled in zip(drawn, ANSWER_MEASURES, (True, False), strict=True):
        points = 100 * rows.loc[rows["measure"] == measure, "mean"]
        assert set(points.round(6)) == {round(at, 6) for at in line.get_xdata() if numpy.isfinite(at)}
        assert (line.get_markerfacecolor() != "white") is filled


def test_a_figure_shows_the_probability_where_the_study_says_so(draw, context):
    config = default_world().config
    shown = {**config, "study": config["study"] | {"shown_measure": "probability"}}
    settings = figure_settings(shown, PLACE[1], ["probes", "headline", "chance"])
    tables = {name: of_measure(table, settings["measure"]) for name, table in context.every_measure.items()}
    figure = draw("accuracy", replace(context, tables=tables, settings=settings))
    assert {axes.get_xlabel() for axes in figure.axes} - {""} == {"probability"}
    assert draw("accuracy", context).axes[-1].get_xlabel() == "accuracy"


def test_weight_change_has_a_point_a_cell_and_tells_each_methods_correlation(draw, context):
    figure = draw("weight-change", context)
    points = context.tables["early_recovery"]
    methods = [name for name in context.methods() if name in set(points["method"])]
    for axes, method in zip(shown(figure), methods, strict=True):
        part = points[points["method"] == method]
        assert sum(len(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() == "None") == len(part)
        correlation = spearman(part["weight_change"], part["gain"])
        label = context.method_label(method)
        told = f"{correlation:+.2f}".replace("-", "−")
        assert axes.get_title(loc="left") == f"{label}: rank correlation\n{told} (n = {len(part)})"
    defences = points["defence"].unique()
    assert set(legend(figure)) == set(map(context.defence_label, defences))


def test_the_trajectory_has_a_line_a_defence_and_a_ring_where_forgetting_is_complete(draw, context):
    known, harm, against = draw("trajectory", context).axes
    assert [axes.get_title(loc="left") for axes in (known, harm, against)] == [
        "RMU: what is known", "RMU: harm of a forget token", "RMU: harm at what is known"
    ]  # fmt: skip
    for defence, complete in (("none", 18), ("rna", 36)):
        colour = look.colour(defence, context.defences)
        for axes in (known, harm):
            line, ring = lines(axes, colour)
            assert list(line.get_xdata()) == list(range(0, 61, 6)) and list(ring.get_xdata()) == [complete]
        line, ring = lines(against, colour)
        # Planted: 0.5 known at first and nothing at the ring, where the token harms nothing yet.
        assert line.get_xdata()[0] == pytest.approx(0.5, abs=0.02) and ring.get_ydata()[0] == pytest.approx(0, abs=0.01)
        assert line.get_ydata()[-1] == pytest.approx((60 - complete) / 100, abs=0.05)
    assert set(legend(known.figure)) == {"plain", "RNA"}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("world", ["bare", "with_rna"])
def test_a_small_study_gets_its_figure_or_a_clear_error(draw, request, tmp_path, world, name):
    try:
        save(draw(name, request.getfixturevalue(world)), tmp_path / "f.svg", tmp_path / "f.pdf")
    except StudyError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert (tmp_path / "f.svg").stat().st_size > 1000


def test_colours_and_markers_tell_defences_apart(context):
    names = ["none", *context.defences]
    looks = [(look.colour(name, context.defences), look.marker(name, context.defences)) for name in names]
    assert len(set(looks)) == len(names)
    assert look.colour("rna", context.defences) == look.DEFENCE
    assert context.defence_label("rna.early-stop") == "RNA + stopped early"


def test_tables_read_back_keep_none_as_a_word_and_are_cut_to_one_place(context, tmp_path):
    table = context.tables["accuracy"]
    other = table.assign(model="other")
    (tmp_path / "empty.csv").write_text("\n")
    table.iloc[:5].to_csv(tmp_path / "a.csv", index=False)
    other.iloc[:3].to_csv(tmp_path / "b.csv", index=False)
    paths = [tmp_path / f"{name}.csv" for name in ("a", "b", "empty")]
    tables = read_context(paths, context.settings, *PLACE).tables
    assert [len(tables[name]) for name in ("a", "b", "empty")] == [5, 0, 0]
    assert "none" in set(tables["a"]["defence"])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_reads_only_the_tables_that_it_names(draw, context, name):
    module = module_of("figures.FIGURES", name)
    named = {table: context.tables[table] for table in constant(module, "READS")}
    draw(name, replace(context, tables=named))
    assert constant(module, "CAPTION").endswith(".")
