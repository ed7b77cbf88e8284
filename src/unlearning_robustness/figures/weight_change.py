"""How far unlearning moved the weights, against how fast relearning undoes it."""

from unlearning_robustness.analysis.bootstrap import spearman
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("early_recovery",)
SETTINGS = ()
CAPTION = (
    "Each point is one unlearned model: how far its weights moved against how much forget accuracy a short "
    "relearning brings back."
)

# Defences beside one another in the legend.
COLUMNS = 4


def draw(context: ReportContext):
    """One panel a method, one point a cell: norm of the weight change across, accuracy regained early up."""
    table = context.tables["early_recovery"]
    # Variants are shown in sweeps.
    table = table[table["method"].isin(context.methods())] if len(table) else table
    if table.empty:
        return style.nothing("This study attacks no unlearned model.")
    methods = [method for method in context.methods() if method in set(table["method"])]
    defences = [name for name in (NONE, *context.defences) if name in set(table["defence"])]
    across, down = min(3, len(methods)), -(-len(methods) // 3)
    size = 1.2 + 2.5 * across, 0.6 + 2.5 * down + 0.18 * (len(defences) // COLUMNS + 1)
    figure, grid = pyplot.subplots(down, across, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axes, method in zip(grid.flat, methods, strict=False):
        part = table[table["method"] == method]
        for defence in defences:
            rows = part[part["defence"] == defence]
            axes.plot(
                rows["weight_change"], rows["gain"], linestyle="none", markersize=6, alpha=0.75,
                **style.look(context, defence), label=context.defence_label(defence),
            )  # fmt: skip
        axes.axhline(0, color=style.REFERENCE_COLOUR, linewidth=0.8)
        axes.set_title(_title(context, method, part), fontsize=9, fontweight="normal")
        axes.set_xlabel("‖ΔW‖")
        style.percent_axis(axes.yaxis)
    for axes in list(grid.flat)[len(methods) :]:
        axes.set_visible(False)
    figure.supylabel(f"forget {context.measured} gained in {table['steps'].iloc[0]} relearning steps", fontsize=9)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=COLUMNS, fontsize=8)
    return figure


def _title(context: ReportContext, method: str, part) -> str:
    label = context.method_label(method)
    if len(part) < 3:
        return label
    correlation = f"{spearman(part['weight_change'], part['gain']):+.2f}".replace("-", "−")
    return f"{label}: rank correlation\n{correlation} (n = {len(part)})"
