"""Every unlearned model against every attack, in one picture: the lighter a cell, the better for the defender."""

from dataclasses import dataclass

import pandas
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch, Rectangle

from unlearning_robustness.analysis.matrix import FORGET, NO_POINT, RETAIN, TOKEN, WORST
from unlearning_robustness.analysis.significance import shown
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("matrix", "matrix_differences")
SETTINGS = ("attacks", "chance")
CAPTION = (
    "Accuracy in percent of every unlearned model, with each attack at the strength chosen on select; the "
    "lighter, the better for the defender. Corners: differs from plain unlearning of the same method, "
    "Holm-corrected within the comparisons that the study named before it ran; elsewhere nothing is tested."
)

HARM = LinearSegmentedColormap.from_list("harm", ["#FFFFFF", "#F6C9A8", style.BASELINE, "#7A3300"])
NAMES = {RETAIN: "retain questions", TOKEN: "with a forget token", FORGET: "no attack", WORST: "worst of all attacks"}
# From where on a number is white.
DARK = 0.55
HATCH = "////"
# Inches that the legend and the titles of the groups of columns take.
NARROWEST = 6.4


@dataclass(frozen=True)
class Layout:
    """Where each row (method, defence) and column stands, with gaps between methods and between groups of columns."""

    rows: dict[tuple[str, str], float]
    columns: dict[str, float]
    groups: dict[str, list[str]]


def draw(context: ReportContext):
    """Rows: models; columns: what they still can do, what they still know, and what each attack brings back."""
    table = context.tables["matrix"]
    if table.empty:
        return style.nothing("No attack's strength is chosen on the select split (scoring.splits).")
    layout = _layout(context, table)
    width, height = (max(offsets.values()) + 1 for offsets in (layout.columns, layout.rows))
    figure, axes = pyplot.subplots(figsize=(max(NARROWEST, 2.2 + 0.46 * width), 2.2 + 0.27 * height))
    cells = table.set_index(["method", "defence", "column"])
    for (method, defence), y in layout.rows.items():
        for column, x in layout.columns.items():
            if (method, defence, column) in cells.index:
                _cell(axes, x, y, cells.loc[(method, defence, column)], context.chance)
    _marks(axes, context, layout)
    axes.set_xlim(-0.1, width + 0.1)
    axes.set_ylim(height + 0.1, -0.1)
    axes.set_xticks([x + 0.5 for x in layout.columns.values()], [_name(context, name) for name in layout.columns],
                    rotation=38, ha="left", rotation_mode="anchor")  # fmt: skip
    axes.set_yticks([y + 0.5 for y in layout.rows.values()], [_row_name(context, *row) for row in layout.rows])
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    for title, names in layout.groups.items():
        offsets = [layout.columns[name] for name in names]
        axes.text((min(offsets) + max(offsets) + 1) / 2, height + 0.25, title, ha="center", va="top", fontsize=8)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _layout(context: ReportContext, table: pandas.DataFrame) -> Layout:
    present = set(zip(table["method"], table["defence"], strict=True))
    rows, y = {}, 0.0
    for method in [REFERENCE, *context.every_method()]:
        names = [name for name in (NONE, *context.defences) if (method, name) in present]
        rows |= {(method, name): y + number for number, name in enumerate(names)}
        y += len(names) + (0.4 if names else 0)
    shown = set(table["column"])
    attacks = [name for name in context.settings["attacks"] if name in shown]
    groups = {
        f"still useful\n({context.measured}, higher is better)": [RETAIN, TOKEN],
        f"forget questions\n({context.measured}, lower is better)": [FORGET, *attacks],
        " ": [WORST] if WORST in shown else [],
    }
    columns, x = {}, 0.0
    for names in groups.values():
        columns |= {name: x + number for number, name in enumerate(names)}
        x += len(names) + 0.4
    return Layout(rows, columns, {title: names for title, names in groups.items() if names})


def _harm(column: str, accuracy: float, chance: float) -> float:
    """0 as the defender wants it, 1 as bad as can be: at chance where it should know, all right where it should not."""
    known = min(1.0, max(0.0, (accuracy - chance) / (1 - chance)))
    return 1 - known if column in (RETAIN, TOKEN) else known


def _cell(axes, x: float, y: float, row, chance: float) -> None:
    harm = _harm(row.name[2], row["mean"], chance)
    broken = not row["valid"] or NO_POINT in str(row["setting"])
    box = (x + 0.03, y + 0.03), 0.94, 0.94
    axes.add_patch(Rectangle(*box, facecolor=HARM(harm), edgecolor="#C8C8C8", linewidth=0.5))
    if broken:
        axes.add_patch(Rectangle(*box, fill=False, hatch=HATCH, edgecolor="#9A9A9A", linewidth=0))
    axes.text(x + 0.5, y + 0.53, f"{100 * row['mean']:.0f}", ha="center", va="center", fontsize=8,
              color="white" if harm > DARK else "black")  # fmt: skip


def _marks(axes, context: ReportContext, layout: Layout) -> None:
    """A corner for what differs from plain unlearning by its corrected p-value."""
    table = context.tables["matrix_differences"]
    for _, row in shown(table[table["second"] == NONE]).iterrows():
        cell, column = (row["method"], row["first"]), row["column"]
        if cell not in layout.rows or column not in layout.columns:
            continue
        better = (row["mean"] > 0) == (column in (RETAIN, TOKEN))
        x, y = layout.columns[column] + 0.97, layout.rows[cell] + 0.03
        colour = style.DEFENCE if better else style.REFERENCE_COLOUR
        axes.add_patch(pyplot.Polygon([(x, y), (x - 0.3, y), (x, y + 0.38)], facecolor=colour, edgecolor="none"))


def _name(context: ReportContext, column: str) -> str:
    return NAMES.get(column) or context.attack_label(column)


def _row_name(context: ReportContext, method: str, defence: str) -> str:
    if method == REFERENCE:
        return "reference, not unlearned"
    return context.cell_label(method, defence, plain="plain")


def _legend() -> list:
    corner = {"linestyle": "none", "marker": (3, 0, -45), "markersize": 7}
    return [
        Patch(facecolor=HARM(0.0), edgecolor="#C8C8C8", label="as the defender wants it"),
        Patch(facecolor=HARM(0.9), edgecolor="#C8C8C8", label="forgets nothing, or can do nothing"),
        pyplot.Line2D([], [], color=style.DEFENCE, label="better than plain unlearning", **corner),
        pyplot.Line2D([], [], color=style.REFERENCE_COLOUR, label="worse than plain unlearning", **corner),
        Patch(
            facecolor="white",
            edgecolor="#9A9A9A",
            hatch=HATCH,
            label="the attack does not count: too costly, or its control failed",
        ),
    ]
