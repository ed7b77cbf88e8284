"""How far every unlearned model is from the one that was trained without the forget facts."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("yardstick",)
SETTINGS = ()
CAPTION = (
    "Each row is a kind of model, each panel a distance to the model that was trained without the forget facts, with "
    "95 % intervals (truth ratios: least and most of the seeds). Grey: how far another model that was trained without "
    "them is from it, the zero of the distance. What lies in the grey is as near to the truth as the truth."
)
UNMEASURED = "This study has no model that was trained without the forget facts."
# (role, distance) to the panel's title and the unit on its axis; shares are in points.
PANELS = {
    ("forget", "accuracy"): ("forget accuracy", "points"),
    ("forget", "kl"): ("divergence of answers", "KL, nats a question"),
    ("forget", "total_variation"): ("total variation of answers", "points"),
    ("forget", "truth_ratio"): ("truth ratios", "Kolmogorov-Smirnov"),
    ("forget", "membership"): ("membership inference", "AUC"),
    ("neighbour", "accuracy"): ("adjacent accuracy", "points"),
    ("retain", "accuracy"): ("retain accuracy", "points"),
}
COLUMNS, BAND = 4, "#D0D0D0"


def draw(context: ReportContext):
    """One row a method and defence, one panel a distance; the band is that between models that never had the facts."""
    table = context.tables["yardstick"]
    if table.empty:
        return style.nothing(UNMEASURED)
    never = table["never_trained"].astype(bool)
    cells = context.cells_of(table[~never], (REFERENCE, *context.every_method()), (NONE, *context.defences))
    panels = [panel for panel in PANELS if (table[["role", "distance"]] == list(panel)).all(axis=1).any()]
    lines = -(-len(panels) // COLUMNS)
    size = style.WIDTH + 3, 0.6 + lines * (0.9 + 0.24 * len(cells))
    figure, grid = pyplot.subplots(lines, COLUMNS, figsize=size, sharey=True, squeeze=False)
    for axes, (role, distance) in zip(grid.flat, panels, strict=False):
        here = (table["role"] == role) & (table["distance"] == distance)
        title, unit = PANELS[role, distance]
        scale = 100.0 if unit == "points" else 1.0
        _band(axes, table[here & never], scale)
        _rows(context, axes, table[here & ~never].set_index(["method", "defence"]), cells, scale)
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel(unit)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_yticks(range(len(cells)), [context.cell_label(*cell) for cell in cells])
    grid[0][0].set_ylim(len(cells) - 0.5, -0.5)
    style.legend(figure, style.handles(grid.flat), ncols=2)
    return figure


def _band(axes, rows: pandas.DataFrame, scale: float) -> None:
    """The intervals of models that never had the facts, all together, or zero alone where there is no other one."""
    if len(rows):
        label = "another model trained without the forget facts"
        axes.axvspan(
            scale * rows["low"].min(), scale * rows["high"].max(), color=BAND, linewidth=0, zorder=0, label=label
        )
    axes.axvline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=1, label="the yardstick itself")


def _rows(context: ReportContext, axes, rows: pandas.DataFrame, cells: list[tuple], scale: float) -> None:
    style.separators(axes, len(cells))
    for level, (method, defence) in enumerate(cells):
        if (method, defence) not in rows.index:
            continue
        row = rows.loc[[(method, defence)]]
        axes.errorbar(
            scale * row["mean"], [level], xerr=[scale * side for side in style.errors(row)], linestyle="none",
            marker="o", markersize=4, linewidth=1, color=style.cell_colour(context, method, defence),
        )  # fmt: skip
