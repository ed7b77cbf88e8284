"""Sharpness against what relearning brings back: one point a cell, one panel a measure."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot

NAMES = {
    "sam_gap": "ascent gap",
    "random_curvature": "curvature, random directions",
    "hessian_trace": "trace of the Hessian",
    "eigenvalue": "largest eigenvalue",
    "weight_change": "‖ΔW‖",
}


def draw(context: FigureContext):
    """Measure across, accuracy regained early up; colour a defence, marker a method, correlation in the title."""
    table, correlations = context.tables["sharpness"], context.tables["sharpness_correlations"]
    table = table[table["gain"].notna()] if len(table) else table
    if table.empty:
        return style.nothing("This study measures no sharpness of attacked models.")
    shown = [(name, _place(table, name)) for name in NAMES if name in set(table["statistic"])]
    columns = 3
    figure, grid = pyplot.subplots(-(-len(shown) // columns), columns, figsize=(style.WIDTH + 1, 5.4), sharey=True)
    methods = [name for name in context.methods() if name in set(table["method"])]
    for axes, (name, at) in zip(grid.flat, shown, strict=False):
        rows = table[(table["statistic"] == name) & (table["at"] == at)]
        for (method, defence), part in rows.groupby(["method", "defence"]):
            label = f"{context.method_label(method)}, {style.defence_label(defence, context.defences)}"
            axes.plot(
                part["value"], part["gain"], linestyle="none", markersize=5, alpha=0.8, label=label,
                marker=style.METHOD_MARKERS[methods.index(method)], color=style.colour(defence, context.defences),
            )  # fmt: skip
        lines = []
        if len(correlations):
            found = correlations[(correlations["statistic"] == name) & (correlations["at"] == at)]
            lines = [f"{context.method_label(row.method)}: {row.mean:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
                     for row in found.itertuples()]  # fmt: skip
        axes.set_title("\n".join(lines), fontsize=8, fontweight="normal")
        axes.set_xlabel(NAMES[name])
        axes.axhline(0, color=style.REFERENCE_COLOUR, linewidth=0.7)
        style.percent_axis(axes.yaxis)
    for axes in list(grid.flat)[len(shown) :]:
        axes.set_visible(False)
    grid[0][0].set_ylabel("forget accuracy regained")
    named = dict(zip(*reversed(grid[0][0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _place(table, name: str) -> float:
    """The largest radius of the gap, the first eigenvalue, and the only place of the others."""
    places = table.loc[table["statistic"] == name, "at"]
    return places.min() if name == "eigenvalue" else places.max()
