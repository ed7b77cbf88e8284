"""Does noise in the latents raise the loss? RNA's Eq. 9, predicted by the Hessian's trace and measured."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("latents",)
SETTINGS = ()
PAPER = "rna"
CAPTION = (
    "The loss rises with noise in the latents as Eq. 9 says where its Hessian has a positive trace. Measured "
    "beside predicted: half the trace times the noise's variance."
)


def draw(context: ReportContext):
    """One panel a model: scale of the noise across, increase of the answer's loss up."""
    table = context.tables["latents"]
    table = table[table["statistic"].isin(["loss_increase", "predicted_increase"])] if len(table) else table
    if table.empty:
        return style.nothing("This study measures no latents.")
    kinds = context.cells_of(table, [REFERENCE, *context.methods()], [NONE, *context.of_kind(RNA)])
    figure, panels = pyplot.subplots(1, len(kinds), figsize=(0.8 + 1.75 * len(kinds), 2.7), sharey=True, squeeze=False)
    for axes, (method, defence) in zip(panels[0], kinds, strict=True):
        colour = style.cell_colour(context, method, defence)
        rows = table[(table["method"] == method) & (table["defence"] == defence)].sort_values("at")
        measured, predicted = (rows[rows["statistic"] == name] for name in ("loss_increase", "predicted_increase"))
        axes.errorbar(measured["at"], measured["mean"], yerr=style.errors(measured), marker="o", linestyle="none",
                      color=colour, markersize=4.5)  # fmt: skip
        axes.errorbar(predicted["at"] * 1.04, predicted["mean"], yerr=style.errors(predicted), marker="_",
                      linestyle="--", color=style.CHANCE_COLOUR, linewidth=1)  # fmt: skip
        axes.axhline(0, color=style.REFERENCE_COLOUR, linewidth=0.7)
        axes.set_title("Reference" if method == REFERENCE else context.cell_label(method, defence, ",\n", plain=""))
        axes.set_xlabel("noise scale σ")
        axes.set_yscale("symlog", linthresh=0.1)
    panels[0][0].set_ylabel("increase of the loss (nats)")
    handles = [pyplot.Line2D([], [], marker="o", linestyle="none", color="#555555"),
               pyplot.Line2D([], [], marker="_", linestyle="--", color=style.CHANCE_COLOUR)]  # fmt: skip
    figure.legend(handles, ["measured", "½ σ² · trace of the Hessian"], loc="outside lower center", ncols=2)
    return figure
