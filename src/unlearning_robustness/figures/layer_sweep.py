"""Where in the model: accuracy against the layer that is read, with and without RNA."""

from unlearning_robustness.config.cells import NONE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy",)
SETTINGS = ("probes", "headline", "chance")
PAPER = "rna"
CAPTION = "Accuracy against the layer that is read and disturbed, with and without RNA."


def draw(context: ReportContext):
    """One row a method that has variants at other layers; layer across, accuracy up, one line a defence."""
    sweeps = {base: layers for base in context.methods() if len(layers := layers_of(context, base)) > 1}
    if not sweeps:
        return style.nothing("This study has no method at several layers.")
    table, sets = context.tables["accuracy"], context.headline_sets()
    figure, grid = pyplot.subplots(
        len(sweeps), 3, figsize=(style.WIDTH, 0.6 + 2.2 * len(sweeps)), sharex=True, sharey=True, squeeze=False
    )
    for line, (base, layers) in zip(grid, sweeps.items(), strict=True):
        for axes, (role, probe) in zip(line, sets, strict=True):
            chosen = table[(table["role"] == role) & (table["probe"] == probe)]
            for defence in (NONE, *context.of_kind(RNA)):
                rows = chosen[(chosen["defence"] == defence) & chosen["method"].isin(layers)]
                rows = rows.assign(layer=rows["method"].map(layers)).sort_values("layer")
                axes.errorbar(
                    rows["layer"], rows["mean"], yerr=style.errors(rows), **style.look(context, defence), markersize=4,
                    linewidth=1.2, label=context.defence_label(defence),
                )  # fmt: skip
            style.chance_line(axes, context.chance)
            axes.set_ylim(0, 1.03)
            style.percent_axis(axes.yaxis)
            axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
        line[0].set_ylabel(f"{context.measured},\n{context.method_label(base)}")
    for axes in grid[-1]:
        axes.set_xlabel("layer read")
    handles, labels = grid[0][0].get_legend_handles_labels()
    handles.append(style.dotted())
    figure.legend(handles, [*labels, "chance"], loc="outside lower center", ncols=3)
    return figure


def layers_of(context: ReportContext, base: str) -> dict[str, int]:
    """The method and its variants in the study that read another layer, with the layer of each."""
    layers = {name: context.settings["methods"][name]["read_layer"] for name in (base, *context.variants(base))}
    return {name: layer for name, layer in layers.items() if name == base or layer != layers[base]}
