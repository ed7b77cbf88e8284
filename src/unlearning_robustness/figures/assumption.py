"""Assumption 1 held against the latents: is a forget token's effect isotropic Gaussian noise?"""

import numpy
from scipy.stats import norm

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("latents",)
SETTINGS = ("latents",)
PAPER = "rna-figure-9"
CAPTION = (
    "What one token before a question does to the latents, against Assumption 1: isotropic, Gaussian and "
    "independent of the question."
)

NAMES = {
    "mean_share": "share common to\nall questions",
    "excess_kurtosis": "excess kurtosis",
    "cross_query_cosine": "cosine between\nquestions",
    "length_spread": "spread of ‖ε‖²\n(χ² = 1)",
    "participation_ratio": "participation ratio",
}


def draw(context: ReportContext):
    """Q-Q plot, spectrum, scale by layer; below, each statistic with its value under the assumption; a histogram."""
    table, position = context.tables["latents"], context.settings["latents"]["position"]
    if table.empty or position is None:
        return style.nothing("This study measures no latents.")
    # The reference, and the first method with and without RNA; the table has the others.
    kinds = context.cells_of(table, [REFERENCE, *context.methods()], [NONE, *context.of_kind(RNA)])[:3]
    table = table[table["position"].isin([position])]
    figure, grid = pyplot.subplot_mosaic(
        [["quantile", "quantile", "eigenvalue", "eigenvalue", "eta", "eta"],
         [*NAMES, "density"]], figsize=(style.WIDTH + 1.6, 5.4), height_ratios=[1.25, 1],
    )  # fmt: skip
    for kind in kinds:
        for contrast, line in (("forget", "-"), ("neutral", "--")):
            rows = table[(table["method"] == kind[0]) & (table["defence"] == kind[1]) & (table["contrast"] == contrast)]
            _curves(grid, rows, line, style.cell_colour(context, *kind), f"{_label(kind, context)}, {contrast} token")
    probabilities = numpy.linspace(0.0005, 0.9995, 50)
    grid["quantile"].plot(norm.ppf(probabilities), norm.ppf(probabilities), color=style.CHANCE_COLOUR, linestyle=":")
    deviations = numpy.linspace(-4, 4, 80)
    grid["density"].plot(deviations, norm.pdf(deviations), color=style.CHANCE_COLOUR, linestyle=":")
    grid["density"].set_xlim(-4, 4)
    grid["density"].set_xticks([-3, 0, 3])
    grid["density"].set_yscale("log")
    grid["density"].set_ylim(1e-3, 10)
    grid["density"].set_title("histogram of ε / η,\nforget token", fontsize=8.5, fontweight="normal")
    grid["quantile"].set_xlabel("normal quantile")
    grid["quantile"].set_ylabel("quantile of ε / η")
    grid["eigenvalue"].set_xlabel("rank of eigenvalue")
    grid["eigenvalue"].set_ylabel("share of variance, cumulative")
    grid["eta"].set_xlabel("layer")
    grid["eta"].set_ylabel("scale η of ε")
    grid["eta"].set_yscale("log")
    _statistics(grid, table, kinds, context)
    handles, labels = grid["eta"].get_legend_handles_labels()
    handles.append(style.dotted())
    figure.legend(handles, [*labels, "under the assumption"], loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _label(kind: tuple[str, str], context: ReportContext) -> str:
    return context.cell_label(*kind, join=" ", plain="plain")


def _curves(grid, rows, line: str, colour: str, label: str) -> None:
    options = {"color": colour, "linestyle": line, "linewidth": 1.1}
    quantiles = rows[rows["statistic"] == "quantile"].sort_values("at")
    grid["quantile"].plot(norm.ppf(quantiles["at"]), quantiles["mean"], **options)
    if line == "-" and len(quantiles):
        # A histogram of bins of equal mass.
        edges, mass = quantiles["mean"].to_numpy(), numpy.diff(quantiles["at"])
        grid["density"].stairs(mass / numpy.maximum(numpy.diff(edges), 1e-9), edges, color=colour, linewidth=1)
    spectrum = rows[rows["statistic"] == "eigenvalue"].sort_values("at")
    if len(spectrum):
        grid["eigenvalue"].plot(spectrum["at"], spectrum["mean"].cumsum() / spectrum["mean"].sum(), **options)
        # Isotropic draws of the same number of questions have a nearly even spectrum.
        grid["eigenvalue"].plot([1, len(spectrum)], [1 / len(spectrum), 1], color=style.CHANCE_COLOUR, linestyle=":")
    scale = rows[rows["statistic"] == "eta"].sort_values("layer")
    grid["eta"].plot(scale["layer"], scale["mean"], label=label, **options)


def _statistics(grid, table, kinds: list[tuple[str, str]], context: ReportContext) -> None:
    for name, title in NAMES.items():
        axes = grid[name]
        for number, kind in enumerate(kinds):
            for shift, contrast, fill in ((-0.14, "forget", "full"), (0.14, "neutral", "none")):
                x, colour = number + shift, style.cell_colour(context, *kind)
                of_kind = (table["method"] == kind[0]) & (table["defence"] == kind[1])
                rows = table[of_kind & (table["contrast"] == contrast)].set_index("statistic")
                for row in [rows.loc[name]] if name in rows.index else []:
                    bounds = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
                    axes.errorbar([x], [row["mean"]], yerr=bounds, marker="o", color=colour, fillstyle=fill, ms=4.5)
                    axes.plot([x], [rows.loc[f"{name}_expected", "mean"]], "_", ms=9, color=style.CHANCE_COLOUR)
        axes.set_title(title, fontsize=8.5, fontweight="normal")
        axes.set_xticks([])
        axes.set_xlim(-0.6, len(kinds) - 0.4)
