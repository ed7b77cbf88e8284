"""The paper's main table as a picture: every objective with and without RNA, and stopped early at equal forgetting."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy",)
SETTINGS = ("probes", "headline", "chance")
PAPER = "rna"
CAPTION = "Every method plain, with RNA, and stopped early at equal forget accuracy."

STOPPED = "early-stop"


def draw(context: ReportContext):
    """One row an objective; forget accuracy, retain accuracy, and retain accuracy under a forget token across."""
    table, sets, methods = context.tables["accuracy"], context.headline_sets(), context.methods()
    if not methods:
        return style.nothing(style.UNTRAINED)
    shown = [NONE, *context.of_kind(RNA), *context.of_kind(STOPPED)]
    figure, panels = pyplot.subplots(1, 3, figsize=(style.WIDTH, 1.1 + 0.38 * len(methods)), sharey=True)
    for axes, (role, probe) in zip(panels, sets, strict=True):
        chosen = table[(table["role"] == role) & (table["probe"] == probe)].set_index(["defence", "method"])
        for number, defence in enumerate(shown):
            present = [method for method in methods if (defence, method) in chosen.index]
            rows = chosen.loc[[(defence, method) for method in present]]
            axes.errorbar(
                rows["mean"], [methods.index(method) + 0.24 * (number - (len(shown) - 1) / 2) for method in present],
                xerr=style.errors(rows), linestyle="none", **style.look(context, defence), markersize=4.5, linewidth=1,
                label=context.defence_label(defence),
            )  # fmt: skip
        if (NONE, REFERENCE) in chosen.index:
            axes.axvline(chosen.loc[(NONE, REFERENCE), "mean"], color=style.REFERENCE_COLOUR, linewidth=0.9)
        style.chance_line(axes, context.chance, horizontal=False)
        style.separators(axes, len(methods))
        axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
        axes.set_xlim(0, 1.03)
        style.percent_axis(axes.xaxis)
        axes.set_xlabel(context.measured)
    panels[0].set_yticks(range(len(methods)), [context.method_label(method) for method in methods])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    handles += [
        pyplot.Line2D([], [], color=style.REFERENCE_COLOUR, linewidth=0.9),
        style.dotted(),
    ]
    figure.legend(handles, [*labels, "reference", "chance"], loc="outside lower center", ncols=5)
    return figure
