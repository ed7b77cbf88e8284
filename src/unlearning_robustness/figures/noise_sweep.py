"""RNA's noise scale against accuracy, with the matched controls as second lines."""

import pandas

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot

# Noise scales that make a sweep.
SWEPT = 3


def draw(context: FigureContext):
    """One row a swept method, one panel a question set: relative noise scale across, accuracy up; a line for RNA and
    one a control.
    """
    methods = _swept_methods(context)
    if not methods:
        return style.nothing("This study has no RNA cells.")
    probes = context.probes
    panels_of = [("forget", probes["baseline"]), ("retain", probes["baseline"]), ("retain", probes["forget_token"])]
    figure, grid = pyplot.subplots(
        len(methods), len(panels_of), figsize=(style.WIDTH, 0.8 + 2.1 * len(methods)), sharey=True, squeeze=False
    )
    for number, (panels, method) in enumerate(zip(grid, methods, strict=True)):
        scales = _relative_scales(context, method)
        for axes, (role, probe) in zip(panels, panels_of, strict=True):
            _panel(context, axes, method, role, probe, scales)
            if number == 0:
                axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
            if number == len(methods) - 1:
                axes.set_xlabel("noise norm / activation norm")
        panels[0].set_ylabel(f"accuracy,\n{context.method_label(method)}")
    handles = dict(zip(*reversed(grid[0][0].get_legend_handles_labels()), strict=True))
    handles["chance"] = pyplot.Line2D([], [], color=style.CHANCE_COLOUR, linestyle=":")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6)
    return figure


def _panel(context: FigureContext, axes, method: str, role: str, probe: str, scales: dict) -> None:
    accuracy = context.tables["accuracy"]
    chosen = accuracy[(accuracy["role"] == role) & (accuracy["probe"] == probe)]
    rows = chosen[chosen["method"] == method].set_index("defence")
    for kind, label in (("rna", "RNA"), ("early-stop", "stopped early"), ("gradient-noise", "gradient noise")):
        part = rows[[scales.get(name, (None, None))[0] in (kind, "none") for name in rows.index]].copy()
        if len(part) < 2:
            continue
        part["scale"] = [scales[name][1] for name in part.index]
        part = part.sort_values("scale")
        # The undefended model is the start of every line, and drawn once.
        axes.errorbar(
            part["scale"], part["mean"], yerr=style.errors(part), label=label, color=style.look(kind).colours[0],
            marker=style.look(kind).marker, markersize=4, linewidth=1.4 if kind == "rna" else 1,
            linestyle="-" if kind == "rna" else "--", capsize=0,
        )  # fmt: skip
    plain = rows.loc[["none"]]
    axes.errorbar(
        [0], plain["mean"], yerr=style.errors(plain), color=style.BASELINE, marker="o", markersize=6, label="plain"
    )
    reference = chosen[chosen["method"] == "reference"]["mean"]
    if len(reference):
        axes.axhline(reference.iloc[0], color=style.REFERENCE_COLOUR, linewidth=0.9, label="reference")
    style.chance_line(axes, context.chance)
    axes.set_ylim(0, 1.03)
    style.percent_axis(axes.yaxis)


def _swept_methods(context: FigureContext) -> list[str]:
    """The methods with several noise scales beside their plain run; without any, the first with most of them."""
    present = context.tables["accuracy"].groupby("method")["defence"].unique()
    noise = {name for name, entry in context.defences.items() if entry["kind"] == "rna"}
    scales = {method: len(noise & set(present.get(method, []))) for method in context.methods()}
    swept = [method for method, count in scales.items() if count and "none" in set(present[method])]
    return [method for method in swept if scales[method] >= SWEPT] or sorted(swept, key=scales.get)[-1:]


def _relative_scales(context: FigureContext, method: str) -> dict[str, tuple[str, float]]:
    """Defence to (kind, relative noise scale); an early stop stands at the scale of the cell it matches."""
    measured = context.tables["measures"]
    rows: pandas.Series = measured[measured["method"] == method].groupby("defence")["relative_noise_scale"].mean()
    scales = {"none": ("none", 0.0)}
    for name, entry in context.defences.items():
        if entry["parameters"].get("retain_factor", 1.0) != 1.0:
            continue
        source = entry["parameters"].get("match", name)
        if source in rows.index and name in rows.index and pandas.notna(rows[source]):
            scales[name] = (entry["kind"], float(rows[source]))
    return scales
