"""How much an attack brings back over its whole budget: the area under every relearning curve."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.relearning import WEIGHT_NOISE, setting
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("recovery",)
SETTINGS = ("attacks", "chance")
CAPTION = (
    "Mean forget accuracy over an attack's budget; thin mark: before the attack. Lower is better. Black line: the "
    "reference under the same attack."
)

# Room for a panel's title and axis, counted in rows.
FRAME = 3
# Inches that a panel and a letter of its rows' names take.
PANEL, LETTER = 1.9, 0.072


def draw(context: ReportContext):
    """One panel an attack, one row a defence, one dot a method: mean forget accuracy over the budget.

    A line leads to the dot from where the model stood before the attack. Controls: the reference under the same attack
    is a vertical line, weight noise is grey.
    """
    table = context.tables["recovery"]
    # Variants are shown in sweeps.
    table = table[table["method"].isin([REFERENCE, *context.methods()])] if len(table) else table
    if table.empty or (table["method"] == REFERENCE).all():
        return style.nothing("This study attacks no unlearned model.")
    panels = {}
    for attack, documents in context.attack_runs(table):
        part = table[(table["attack"] == attack) & (table["documents"] == documents)]
        panels[attack, documents] = part.pivot_table(
            index=["method", "defence"], columns="quantity", values=["mean", "low", "high"]
        )
    rows = {run: _rows(context, part) for run, part in panels.items()}
    columns = _columns({run: len(names) + FRAME for run, names in rows.items()})
    named = [_named(columns, rows, index) for index in range(len(columns))]
    letters = max(len(context.defence_label(name)) for names in rows.values() for name in names)
    widths = [PANEL + LETTER * letters * names for names in named]
    tallest = max(sum(len(rows[run]) + FRAME for run in column) for column in columns)
    figure = pyplot.figure(figsize=(0.3 + sum(widths), 0.8 + 0.29 * tallest))
    methods = [name for name in context.methods() if name in set(table["method"])]
    # Nested grids, not subfigures: their layout differed between two drawings of one figure.
    outer = figure.add_gridspec(1, len(columns), width_ratios=widths)
    for inner, column, names in zip(outer, columns, named, strict=True):
        heights = [len(rows[run]) + FRAME for run in column]
        for level, cell in enumerate(inner.subgridspec(len(column), 1, height_ratios=heights)):
            axes, run = figure.add_subplot(cell), column[level]
            _panel(context, axes, panels[run], rows[run], methods)
            axes.tick_params(axis="y", labelleft=names)
            beside = [setting(context, *other[level]) for other in columns if level < len(other)]
            axes.set_title(_padded(setting(context, *run), beside), fontsize=8.5)
        axes.set_xlabel(f"mean forget {context.measured}\nover the budget")
    figure.legend(*_legend(context, methods), loc="outside lower center", ncols=3)
    return figure


def _rows(context: ReportContext, part: pandas.DataFrame) -> list[str]:
    present = {defence for method, defence in part.index if method != REFERENCE}
    return [name for name in (NONE, *context.defences) if name in present]


def _columns(heights: dict) -> list[list]:
    """Panels in order, one column after another, none higher than the highest panel."""
    columns, most = [[]], max(heights.values())
    for run, height in heights.items():
        if sum(heights[other] for other in columns[-1]) + height > most:
            columns.append([])
        columns[-1].append(run)
    return [column for column in columns if column]


def _named(columns: list[list], rows: dict, index: int) -> bool:
    """Whether a column names its rows: not where they are those of the column to its left."""
    here, left = ([rows[run] for run in columns[column]] for column in (index, index - 1))
    return index == 0 or here != left


def _padded(title: str, beside: list[str]) -> str:
    """A title with as many lines as the highest ``beside`` it, so that panels are of one height."""
    return "\n" * (max(text.count("\n") for text in beside) - title.count("\n")) + title


def _panel(context: ReportContext, axes, part: pandas.DataFrame, rows: list[str], methods: list[str]) -> None:
    present = [name for name in methods if name in part.index.get_level_values("method")]
    for level, defence in enumerate(rows):
        control = defence in context.of_kind(WEIGHT_NOISE)
        for turn, method in enumerate(present):
            if (method, defence) in part.index:
                number = methods.index(method)
                colour = style.colour(defence, context.defences) if control else style.METHOD_COLOURS[number]
                offset = (turn - (len(present) - 1) / 2) * 0.72 / len(present)
                _dot(axes, part.loc[(method, defence)], level + offset, style.METHOD_MARKERS[number], colour)
    if (REFERENCE, NONE) in part.index:
        ceiling = part.loc[(REFERENCE, NONE), ("mean", "area")]
        axes.axvline(ceiling, color=style.REFERENCE_COLOUR, linewidth=1, zorder=0)
    style.chance_line(axes, context.chance, horizontal=False)
    style.separators(axes, len(rows))
    axes.set_xlim(0.0, 1.03)
    style.percent_axis(axes.xaxis)
    axes.set_yticks(range(len(rows)), [context.defence_label(name) for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _dot(axes, row: pandas.Series, level: float, marker: str, colour: str) -> None:
    start, mean = row["mean"]["start"], row["mean"]["area"]
    bounds = [[mean - row["low"]["area"]], [row["high"]["area"] - mean]]
    axes.errorbar(
        [mean], [level], xerr=bounds, linestyle="none", marker=marker, markersize=4.5, color=colour, linewidth=1.6
    )
    axes.plot([start, mean], [level, level], color=colour, linewidth=0.6)
    axes.plot([start], [level], linestyle="none", marker="|", markersize=5, color=colour)


def _legend(context: ReportContext, methods: list[str]) -> tuple[list, list[str]]:
    line = pyplot.Line2D
    handles = [
        line([], [], linestyle="none", marker=style.METHOD_MARKERS[number], color=style.METHOD_COLOURS[number])
        for number in range(len(methods))
    ]
    handles.append(line([], [], linestyle="none", marker="|", color=style.REFERENCE_COLOUR))
    handles.append(line([], [], color=style.REFERENCE_COLOUR, linewidth=1))
    handles.append(line([], [], color=style.CHANCE_COLOUR, linestyle=":"))
    return handles, [*map(context.method_label, methods), "before the attack", "reference, same attack", "chance"]
