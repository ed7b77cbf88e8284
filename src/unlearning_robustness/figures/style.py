"""One look for every figure: one colour a role, the same everywhere; safe for colour-blind readers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import pandas

matplotlib.use("svg")
import matplotlib.pyplot as pyplot
import seaborn

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.runtime.manifest import atomic

# Okabe and Ito's palette. Baseline one colour, defence another, controls lighter, reference and chance neutral.
BASELINE, DEFENCE, REFERENCE_COLOUR, CHANCE_COLOUR = "#D55E00", "#0072B2", "#000000", "#8A8A8A"
# Defences whose kind has no colours take these in order: every colour with the first marker, then with the next.
OTHER_COLOURS = ["#E69F00", "#009E73", "#CC79A7", "#882255", "#332288", "#F0E442"]
OTHER_MARKERS = ["v", "P", "<", ">"]
METHOD_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
METHOD_COLOURS = ["#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#D55E00", "#000000", "#8A8A8A", "#F0E442"]
# Fonts, sizes and widths. What stands in the file is data: `workflow.report` digests it, since no import does.
SHEET = Path(__file__).with_name("paper.mplstyle")
SETTINGS = matplotlib.rc_params_from_file(SHEET, use_default_template=False)
WIDTH = SETTINGS["figure.figsize"][0]
UNTRAINED = "This study unlearns nothing."


@contextmanager
def style() -> Iterator[None]:
    """The figures' settings; files do not change when the numbers do not."""
    with seaborn.axes_style("ticks"), pyplot.rc_context(SETTINGS):
        yield


def colour(defence: str, defences: dict[str, dict]) -> str:
    """The colour of a defence id: its kind's own for the first that is no variant, a shade for each of the others.

    Defences whose kind has no colours take one by their order.
    """
    if defence == NONE:
        return BASELINE
    colours = defences[defence]["colours"]
    if not colours:
        return OTHER_COLOURS[_others(defences).index(defence) % len(OTHER_COLOURS)]
    same = [name for name, entry in defences.items() if entry["kind"] == defences[defence]["kind"]]
    same.sort(key=lambda name: "variant_of" in defences[name])
    return colours[same.index(defence) % len(colours)]


def marker(defence: str, defences: dict[str, dict]) -> str:
    """The marker of a defence id, that of its kind, or by order among those whose kind has none."""
    if defence == NONE:
        return "o"
    if defences[defence]["marker"]:
        return defences[defence]["marker"]
    return OTHER_MARKERS[_others(defences).index(defence) // len(OTHER_COLOURS) % len(OTHER_MARKERS)]


def _others(defences: dict[str, dict]) -> list[str]:
    return [name for name, entry in defences.items() if not entry["colours"]]


def look(context: ReportContext, defence: str) -> dict[str, str]:
    """The colour and the marker of a defence, as matplotlib takes them."""
    return {"color": colour(defence, context.defences), "marker": marker(defence, context.defences)}


def cell_colour(context: ReportContext, method: str, defence: str) -> str:
    """The colour of a defence, black for the reference."""
    return REFERENCE_COLOUR if method == REFERENCE else colour(defence, context.defences)


def errors(rows: pandas.DataFrame) -> list:
    """Distances from the mean to both bounds, as matplotlib wants them; rounding makes none negative."""
    return [(rows["mean"] - rows["low"]).clip(lower=0), (rows["high"] - rows["mean"]).clip(lower=0)]


def percent_axis(axis) -> None:
    """Accuracies as percent."""
    axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0))


def chance_line(axes, chance: float, horizontal: bool = True) -> None:
    """A dotted line at chance."""
    line = axes.axhline if horizontal else axes.axvline
    line(chance, color=CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=0)


def floor_line(axes, floor: pandas.Series | None, row: int | None = None) -> None:
    """A solid line at the floor, if it was measured: across the axes, or upright in one ``row`` of question sets."""
    if floor is None:
        return
    look = {"color": CHANCE_COLOUR, "linewidth": 1.6, "zorder": 1}
    if row is None:
        axes.axhline(floor["mean"], **look)
    else:
        axes.plot([floor["mean"]] * 2, [row - 0.42, row + 0.42], **look)


def solid():
    """The line that stands for the floor in legends."""
    return pyplot.Line2D([], [], color=CHANCE_COLOUR, linewidth=1.6)


def separators(axes, count: int) -> None:
    """A thin line between each two of ``count`` rows."""
    for row in range(count - 1):
        axes.axhline(row + 0.5, color="#E6E6E6", linewidth=0.6, zorder=0)


def dotted():
    """The line that stands for chance in legends."""
    return pyplot.Line2D([], [], color=CHANCE_COLOUR, linestyle=":")


def handles(panels: Iterable) -> dict[str, object]:
    """Label to handle of everything labelled in the panels, each label once."""
    by_label = {}
    for axes in panels:
        by_label |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    return by_label


def legend(figure, by_label: dict[str, object], **options) -> None:
    """A legend below the figure."""
    figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", **options)


def nothing(reason: str):
    """A figure that says why there is nothing to show."""
    figure, axes = pyplot.subplots(figsize=(5, 1.2))
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


# What a file must not say, so that the same figure gives the same bytes.
DATES = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


def save(figure, *paths: str | Path) -> None:
    """Write a figure as svg, pdf or png by the paths' names, atomically; drawn again it gives the same bytes."""
    _settle(figure)
    for path in paths:
        kind = Path(path).suffix.removeprefix(".")
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=DATES[kind], bbox_inches="tight")
    pyplot.close(figure)


def _settle(figure) -> None:
    """Leave the axes where the layout puts them, rounded: its solver's last bits differ from drawing to drawing, and
    names inside the files are made of them.
    """
    for _ in range(2):  # Once more, for tick labels that a changed size changes.
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(bound, 6) for bound in axes.get_position(original=True).bounds])
