"""The rejection probability against nu / eta: RNA's theory, its simulation, and what is measured."""

import numpy

from unlearning_robustness.analysis.rejection import rejection_probability, simulated_rejection
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("rejection",)
SETTINGS = ()
PAPER = "rna"
CAPTION = "How often RNA reverses a forget token's effect: closed form, simulation, and the share of questions."


def draw(context: ReportContext):
    """Ratio across, probability up: closed forms as lines, Monte Carlo as crosses, questions as points."""
    table = context.tables["rejection"]
    table = table[table["ratio"].notna()] if len(table) else table
    if table.empty:
        return style.nothing("This study measures no latents of a method with RNA.")
    figure, axes = pyplot.subplots(figsize=(5.6, 3.8))
    ratios = numpy.geomspace(0.03, 100, 120)
    for draws, line in ((1, "-"), (2, "--")):
        curve = [rejection_probability(ratio, draws) for ratio in ratios]
        axes.plot(
            ratios, curve, line, color=style.REFERENCE_COLOUR, linewidth=1, label=f"theory, {draws} noise draw(s)"
        )
        coarse = numpy.geomspace(0.1, 30, 6)
        simulated = [simulated_rejection(ratio, draws, samples=20_000) for ratio in coarse]
        axes.plot(
            coarse, simulated, "x", color=style.CHANCE_COLOUR, markersize=5, label="simulation" if draws == 1 else None
        )
    for number, method in enumerate(name for name in context.methods() if name in set(table["method"])):
        for defence, row in table[table["method"] == method].set_index("defence").iterrows():
            # Every noise scale looks like the defence that it varies: the ratio tells them apart.
            base = context.defences[defence].get("variant_of", defence)
            look = base if base in context.defences else defence
            axes.errorbar(
                [row["ratio"]], [row["mean"]], yerr=[[row["mean"] - row["low"]], [row["high"] - row["mean"]]],
                marker=style.METHOD_MARKERS[number], color=style.colour(look, context.defences), markersize=6,
                linestyle="none", linewidth=1, label=context.cell_label(method, look),
            )  # fmt: skip
    axes.axhline(0.5, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(0, 1)
    axes.set_xlabel("noise scale ν / scale η of the forget token's residual")
    axes.set_ylabel("share of questions on which the\ntoken's effect is turned round")
    style.legend(figure, style.handles([axes]), ncols=2, fontsize=8)
    return figure
