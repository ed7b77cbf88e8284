"""How far unlearning moved the weights, against how fast relearning undoes it."""

from unlearning_robustness.analysis.bootstrap import spearman
from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot


def draw(context: FigureContext):
    """One point a cell: norm of the weight change across, accuracy regained early in relearning up."""
    points = context.tables["early_recovery"]
    if points.empty:
        return style.nothing("This study attacks no unlearned model.")
    figure, axes = pyplot.subplots(figsize=(5.2, 3.9))
    methods = [method for method in context.methods() if method in set(points["method"])]
    for (method, defence), part in points.groupby(["method", "defence"]):
        axes.plot(
            part["weight_change"], part["gain"], linestyle="none", markersize=6, alpha=0.75,
            marker=style.METHOD_MARKERS[methods.index(method)], color=style.colour(defence, context.defences),
            label=f"{context.method_label(method)}, {style.defence_label(defence, context.defences)}",
        )  # fmt: skip
    axes.axhline(0, color=style.REFERENCE_COLOUR, linewidth=0.8)
    axes.set_xlabel("norm of the weight change, ‖ΔW‖")
    axes.set_ylabel(f"forget accuracy gained in {points['steps'].iloc[0]} relearning steps")
    style.percent_axis(axes.yaxis)
    lines = [
        f"{context.method_label(method)}: rank correlation "
        f"{spearman(part['weight_change'], part['gain']):+.2f} (n = {len(part)})"
        for method, part in points.groupby("method")
        if len(part) > 2
    ]
    axes.set_title("\n".join(lines), fontsize=9, fontweight="normal")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure
