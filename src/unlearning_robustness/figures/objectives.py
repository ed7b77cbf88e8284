"""The paper's main table as a picture: every objective with and without RNA, and stopped early at equal forgetting."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot

SHOWN = ("none", "rna", "early-stop")


def draw(context: FigureContext):
    """One row an objective; forget accuracy, retain accuracy, and retain accuracy under a forget token across."""
    table, probes, methods = context.tables["accuracy"], context.probes, context.methods()
    sets = [("forget", probes["baseline"]), ("retain", probes["baseline"]), ("retain", probes["forget_token"])]
    figure, panels = pyplot.subplots(1, 3, figsize=(style.WIDTH, 1.1 + 0.38 * len(methods)), sharey=True)
    for axes, (role, probe) in zip(panels, sets, strict=True):
        chosen = table[(table["role"] == role) & (table["probe"] == probe)].set_index(["defence", "method"])
        for number, defence in enumerate(SHOWN):
            present = [method for method in methods if (defence, method) in chosen.index]
            rows = chosen.loc[[(defence, method) for method in present]]
            axes.errorbar(
                rows["mean"], [methods.index(method) + 0.24 * (number - 1) for method in present],
                xerr=style.errors(rows), linestyle="none", marker=style.marker(defence, context.defences),
                color=style.colour(defence, context.defences), markersize=4.5, linewidth=1,
                label=style.defence_label(defence, context.defences),
            )  # fmt: skip
        if ("none", "reference") in chosen.index:
            axes.axvline(chosen.loc[("none", "reference"), "mean"], color=style.REFERENCE_COLOUR, linewidth=0.9)
        style.chance_line(axes, context.chance, horizontal=False)
        for place in range(len(methods) - 1):
            axes.axhline(place + 0.5, color="#E6E6E6", linewidth=0.6, zorder=0)
        axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
        axes.set_xlim(0, 1.03)
        style.percent_axis(axes.xaxis)
        axes.set_xlabel("accuracy")
    panels[0].set_yticks(range(len(methods)), [context.method_label(method) for method in methods])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    handles += [
        pyplot.Line2D([], [], color=style.REFERENCE_COLOUR, linewidth=0.9),
        pyplot.Line2D([], [], color=style.CHANCE_COLOUR, linestyle=":"),
    ]
    figure.legend(handles, [*labels, "reference", "chance"], loc="outside lower center", ncols=5)
    return figure
