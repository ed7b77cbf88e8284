"""Distances to the model that was trained without the forget facts, along each training run."""

import pandas

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.figures.yardstick import BAND
from unlearning_robustness.report.context import ReportContext

READS = ("yardstick", "yardstick_trajectory")
SETTINGS = ()
CAPTION = (
    "One training run a line: how far its model is, every few steps, from the one that was trained without the forget "
    "facts, with 95 % intervals. Grey: another model that was trained without them. Unlearning that comes no nearer, "
    "or moves away again, forgets otherwise than by never having known."
)
UNMEASURED = "This study records no trajectory beside a model trained without the forget facts."
PANELS = {
    ("forget", "accuracy"): "forget accuracy",
    ("forget", "absolute_probability"): "right choice's probability",
    ("neighbour", "accuracy"): "adjacent accuracy",
    ("retain", "accuracy"): "retain accuracy",
}


def draw(context: ReportContext):
    """One row a method, one panel a distance, one line a defence."""
    table, zero = context.tables["yardstick_trajectory"], context.tables["yardstick"]
    methods = [method for method in context.methods() if len(table) and method in set(table["method"])]
    if not methods:
        return style.nothing(UNMEASURED)
    panels = [panel for panel in PANELS if len(_cut(table, *panel))]
    size = style.WIDTH + 1.4, 0.9 + 2.0 * len(methods)
    figure, grid = pyplot.subplots(len(methods), len(panels), figsize=size, sharex=True, sharey="col", squeeze=False)
    for row, method in zip(grid, methods, strict=True):
        for axes, panel in zip(row, panels, strict=True):
            never = _cut(zero[zero["never_trained"].astype(bool)], *panel)
            if len(never):
                label = "another model trained without the forget facts"
                axes.axhspan(100 * never["low"].min(), 100 * never["high"].max(), color=BAND, linewidth=0, label=label)
            axes.axhline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=0)
            _lines(context, axes, _cut(table[table["method"] == method], *panel))
        row[0].set_ylabel(f"{context.method_label(method)} (points)")
    for axes, panel in zip(grid[0], panels, strict=True):
        axes.set_title(PANELS[panel], fontsize=8.5)
    for axes in grid[-1]:
        axes.set_xlabel("step")
    style.legend(figure, style.handles(grid.flat), ncols=3)
    return figure


def _cut(table: pandas.DataFrame, role: str, distance: str) -> pandas.DataFrame:
    return table[(table["role"] == role) & (table["distance"] == distance)]


def _lines(context: ReportContext, axes, rows: pandas.DataFrame) -> None:
    for defence in (NONE, *context.defences):
        line = rows[rows["defence"] == defence].sort_values("steps")
        if len(line):
            look = style.look(context, defence)
            axes.fill_between(line["steps"], 100 * line["low"], 100 * line["high"], color=look["color"], alpha=0.15,
                              linewidth=0)  # fmt: skip
            axes.plot(line["steps"], 100 * line["mean"], **look, markersize=3.5, linewidth=1.3,
                      label=context.defence_label(defence))  # fmt: skip
