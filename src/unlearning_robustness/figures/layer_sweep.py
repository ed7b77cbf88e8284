"""Where in the model: accuracy against the layer that is read, with and without RNA."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot


def draw(context: FigureContext):
    """One row a method that has variants at other layers; layer across, accuracy up, one line a defence."""
    sweeps = {base: found for base in context.methods() if len(found := layers_of(context, base)) > 1}
    if not sweeps:
        return style.nothing("This study has no method at several layers.")
    table, probes = context.tables["accuracy"], context.probes
    sets = [("forget", probes["baseline"]), ("retain", probes["baseline"]), ("retain", probes["forget_token"])]
    figure, grid = pyplot.subplots(
        len(sweeps), 3, figsize=(style.WIDTH, 0.6 + 2.2 * len(sweeps)), sharex=True, sharey=True, squeeze=False
    )
    for line, (base, layers) in zip(grid, sweeps.items(), strict=True):
        for axes, (role, probe) in zip(line, sets, strict=True):
            chosen = table[(table["role"] == role) & (table["probe"] == probe)]
            for defence in ("none", "rna"):
                rows = chosen[(chosen["defence"] == defence) & chosen["method"].isin(layers)]
                rows = rows.assign(layer=rows["method"].map(layers)).sort_values("layer")
                axes.errorbar(
                    rows["layer"], rows["mean"], yerr=style.errors(rows),
                    marker=style.marker(defence, context.defences), color=style.colour(defence, context.defences),
                    markersize=4, linewidth=1.2, label=style.defence_label(defence, context.defences),
                )  # fmt: skip
            style.chance_line(axes, context.chance)
            axes.set_ylim(0, 1.03)
            style.percent_axis(axes.yaxis)
            axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
        line[0].set_ylabel(f"accuracy,\n{context.method_label(base)}")
    for axes in grid[-1]:
        axes.set_xlabel("layer read")
    handles, labels = grid[0][0].get_legend_handles_labels()
    handles.append(pyplot.Line2D([], [], color=style.CHANCE_COLOUR, linestyle=":"))
    figure.legend(handles, [*labels, "chance"], loc="outside lower center", ncols=3)
    return figure


def layers_of(context: FigureContext, base: str) -> dict[str, int]:
    """The method and its variants in the study that read another layer, with the layer of each."""
    entries = context.config["methods"]
    own = entries[base]["read_layer"]
    found = {base: own}
    for name in context.variants(base):
        if entries[name]["read_layer"] != own:
            found[name] = entries[name]["read_layer"]
    return found
