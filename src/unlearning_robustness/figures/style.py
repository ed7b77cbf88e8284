"""One look for every figure: one colour a role, the same everywhere; safe for colour-blind readers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import pandas

matplotlib.use("svg")
import matplotlib.pyplot as pyplot
import seaborn

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.config.kinds import DEFENCES, facts_of, registered
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.runtime.manifest import atomic

# Okabe and Ito's palette. Baseline one colour, defence another, controls lighter, reference and chance neutral.
BASELINE, DEFENCE, REFERENCE_COLOUR, CHANCE_COLOUR = "#D55E00", "#0072B2", "#000000", "#8A8A8A"
# Of kinds without colours of their own, in order: first every colour with the first marker, then with the next.
OTHER_COLOURS = ["#E69F00", "#009E73", "#CC79A7", "#882255", "#332288", "#F0E442"]
BASELINE_MARKER = "o"
OTHER_MARKERS = ["v", "P", "<", ">"]
METHOD_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
METHOD_COLOURS = ["#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#D55E00", "#000000", "#8A8A8A", "#F0E442"]
WIDTH = 7.2


@contextmanager
def style() -> Iterator[None]:
    """The figures' settings; files do not change when the numbers do not."""
    settings = {
        "svg.hashsalt": "unlearning-robustness",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with seaborn.axes_style("ticks"), pyplot.rc_context(settings):
        yield


def colour(defence: str, defences: dict[str, dict]) -> str:
    """The colour of a defence id: by kind, and by order within the kind."""
    if defence == NONE:
        return BASELINE
    others = _others(defences)
    if defence in others:
        return OTHER_COLOURS[others.index(defence) % len(OTHER_COLOURS)]
    kind = defences[defence]["kind"] if defence in defences else "rna"
    # The defence named like its kind has the kind's own colour; variants of it have shades.
    same = sorted(
        (name for name, other in defences.items() if other["kind"] == kind), key=lambda name: (name != kind, name)
    )
    colours = look(kind).colours
    return colours[same.index(defence) % len(colours)] if defence in same else colours[0]


def marker(defence: str, defences: dict[str, dict]) -> str:
    """The marker of a defence id, by kind, or by order among those whose kind has none."""
    others = _others(defences)
    if defence in others:
        return OTHER_MARKERS[others.index(defence) // len(OTHER_COLOURS) % len(OTHER_MARKERS)]
    return look(defences[defence]["kind"]).marker if defence in defences else BASELINE_MARKER


def _others(defences: dict[str, dict]) -> list[str]:
    return [name for name, entry in defences.items() if not look(entry["kind"]).colours]


def look(kind: str) -> type[DefenceFacts]:
    """The ``colours`` and the ``marker`` of a defence's kind; a combination of several has none."""
    return facts_of(DEFENCES, kind) if kind in registered(DEFENCES) else DefenceFacts


def defence_label(defence: str, defences: dict[str, dict]) -> str:
    """What a figure calls a defence id."""
    if defence == NONE:
        return "plain"
    return " + ".join(defences.get(part, {}).get("label", part) for part in defence.split("."))


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


def nothing(reason: str):
    """A figure that says why there is nothing to show."""
    figure, axes = pyplot.subplots(figsize=(5, 1.2))
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


def save(figure, svg: str | Path, pdf: str | Path) -> None:
    """Write a figure as svg and pdf without dates, atomically; drawn again it gives the same bytes."""
    _settle(figure)
    for path, kind, metadata in ((svg, "svg", {"Date": None}), (pdf, "pdf", {"CreationDate": None})):
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata, bbox_inches="tight")
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
