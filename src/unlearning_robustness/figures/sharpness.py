"""Sharpness against what relearning brings back: one point a cell, one panel a measure."""

from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from unlearning_robustness.analysis.sharpness import NOTHING
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import coefficient

READS = ("sharpness", "sharpness_correlations")
SETTINGS = ()
CAPTION = (
    "Each point is one unlearned model: how sharp its minimum is against how much forget accuracy relearning "
    "brings back. Above: rank correlations with 95 % intervals, and below each the one at equal forget accuracy "
    "before the attack, which is itself in the last panel."
)

NAMES = {
    "sam_gap": "ascent gap",
    "random_curvature": "curvature, random directions",
    "hessian_trace": "trace of the Hessian",
    "eigenvalue": "largest eigenvalue",
    "local_lipschitz": "largest gradient norm nearby",
    "kl_forget": "KL on forget text (nats a token)",
    "kl_retain": "KL on retain text (nats a token)",
    "weight_change": "‖ΔW‖",
    "start": "forget accuracy before (share)",
}


def draw(context: ReportContext):
    """Measure across, accuracy regained early up; colour a defence, marker a method.

    Titles have the rank correlation, and below it that at equal forget accuracy before the attack.
    """
    table, correlations = context.tables["sharpness"], context.tables["sharpness_correlations"]
    table = table[table["gain"].notna()] if len(table) else table
    if table.empty:
        return style.nothing("This study measures no sharpness of attacked models.")
    shown = [(name, _at(table, name)) for name in NAMES if name in set(table["statistic"])]
    columns, lines = 3, -(-len(shown) // 3)
    size = style.WIDTH + 1, 1.4 + 2.5 * lines
    figure, grid = pyplot.subplots(lines, columns, figsize=size, sharey=True, squeeze=False)
    methods = [name for name in context.methods() if name in set(table["method"])]
    for axes, (name, at) in zip(grid.flat, shown, strict=False):
        rows = table[(table["statistic"] == name) & (table["at"] == at)]
        for (method, defence), part in rows.groupby(["method", "defence"], sort=False):
            axes.plot(
                part["value"], part["gain"], linestyle="none", markersize=5, alpha=0.8,
                marker=style.METHOD_MARKERS[methods.index(method)], color=style.colour(defence, context.defences),
            )  # fmt: skip
        shown_here = correlations[(correlations["statistic"] == name) & (correlations["at"] == at)]
        axes.set_title("\n".join(_correlations(context, shown_here)), fontsize=8, fontweight="normal")
        axes.set_xlabel(NAMES[name])
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.axhline(0, color=style.REFERENCE_COLOUR, linewidth=0.7)
        style.percent_axis(axes.yaxis)
    for axes in list(grid.flat)[len(shown) :]:
        axes.set_visible(False)
    grid[0][0].set_ylabel(f"forget {context.measured} regained")
    named = {context.method_label(name): (style.METHOD_MARKERS[number], style.CHANCE_COLOUR)
             for number, name in enumerate(methods)}  # fmt: skip
    for defence in (NONE, *context.defences):
        if defence in set(table["defence"]):
            named[context.defence_label(defence)] = "_", style.colour(defence, context.defences)
    handles = [pyplot.Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=7, markeredgewidth=3)
               for marker, colour in named.values()]  # fmt: skip
    figure.legend(handles, named, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _correlations(context: ReportContext, rows) -> list[str]:
    """Two lines a method: the rank correlation with its interval, and that at equal start."""
    return [
        (f"{context.method_label(row['method'])}: " if row["given"] == NOTHING else "   at equal start ")
        + coefficient(row)
        for _, row in rows.iterrows()
    ]


def _at(table, name: str) -> float:
    """Where a measure is shown: at the gap's largest radius, the first eigenvalue, the only value of the others."""
    values = table.loc[table["statistic"] == name, "at"]
    return values.min() if name == "eigenvalue" else values.max()
