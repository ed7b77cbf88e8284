"""What attacks bring back, beside what the same attacks do to a model that has nothing to recover."""

from textwrap import fill

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.figures.yardstick import BAND, UNMEASURED
from unlearning_robustness.report.context import ReportContext

READS = ("corrected_recovery",)
SETTINGS = ("attacks",)
CAPTION = (
    "One panel an attack, at the end of its budget, with 95 % intervals. Points: forget accuracy of the attacked model "
    "beyond that of the equally attacked model which was trained without the forget facts, paired by question. Grey: "
    "what the attack adds to that model itself, its false positives. Only what lies right of zero was recovered."
)
COLUMNS = 4
NEVER = "added to the model trained without the forget facts"


def draw(context: ReportContext):
    """One row a method and defence, one panel an attack at its last point; the band is its false-positive gain."""
    table = _at_the_end(context.tables["corrected_recovery"])
    if table.empty:
        return style.nothing(UNMEASURED)
    false = table["quantity"] == "false_positive"
    shown = table[table["quantity"] == "corrected"]
    cells = context.cells_of(shown, (REFERENCE, *context.every_method()), (NONE, *context.defences))
    attacks = [name for name in context.settings["attacks"] if name in set(table["attack"])]
    lines, columns = -(-len(attacks) // COLUMNS), min(COLUMNS, len(attacks))
    size = 2.4 + 2.1 * columns, 0.6 + lines * (0.9 + 0.24 * len(cells))
    figure, grid = pyplot.subplots(lines, columns, figsize=size, sharey=True, sharex=True, squeeze=False)
    for axes, attack in zip(grid.flat, attacks, strict=False):
        for row in table[false & (table["attack"] == attack)].itertuples():
            axes.axvspan(100 * row.low, 100 * row.high, color=BAND, linewidth=0, zorder=0, label=NEVER)
        axes.axvline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=1)
        style.separators(axes, len(cells))
        for level, cell in enumerate(cells):
            row = shown[(shown[["method", "defence"]] == list(cell)).all(axis=1) & (shown["attack"] == attack)]
            axes.errorbar(
                100 * row["mean"], [level] * len(row), xerr=[100 * side for side in style.errors(row)],
                linestyle="none", marker="o", markersize=4, linewidth=1, color=style.cell_colour(context, *cell),
            )  # fmt: skip
        axes.set_title(fill(context.attack_label(attack), 28), fontsize=8)
        axes.set_xlabel("points beyond it")
    for axes in list(grid.flat)[len(attacks) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_yticks(range(len(cells)), [context.cell_label(*cell) for cell in cells])
    grid[0][0].set_ylim(len(cells) - 0.5, -0.5)
    style.legend(figure, style.handles(grid.flat))
    return figure


def _at_the_end(table: pandas.DataFrame) -> pandas.DataFrame:
    """The rows of each attack's last point: most documents, most steps, and of its settings the last one."""
    for column in ("documents", "steps"):
        if len(table):
            table = table[table[column] == table.groupby("attack")[column].transform("max")]
    return table.drop_duplicates(["method", "defence", "attack", "quantity"], keep="last")
