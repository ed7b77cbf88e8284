"""RNA's noise scale against accuracy, with the matched controls as second lines."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy", "measures")
SETTINGS = ("probes", "headline", "chance")
PAPER = "rna"
CAPTION = (
    "RNA's noise, as its norm over the mean activation norm, with the controls matched to it: plain unlearning stopped "
    "at equal forget accuracy, and isotropic gradient noise of equal norm."
)
# Kinds of controls that are matched to one scale of noise.
CONTROLS = ("early-stop", "gradient-noise")
# Noise scales that make a sweep.
SWEPT = 3


def draw(context: ReportContext):
    """One row a swept method, one panel a question set: relative noise scale across, accuracy up; a line for each RNA
    and its variants, and one for each control.
    """
    methods, sets = _swept_methods(context), context.headline_sets()
    if not methods:
        return style.nothing("This study has no RNA cells.")
    figure, grid = pyplot.subplots(
        len(methods), len(sets), figsize=(style.WIDTH, 0.8 + 2.1 * len(methods)), sharey=True, squeeze=False
    )
    for panels, method in zip(grid, methods, strict=True):
        for axes, (role, probe) in zip(panels, sets, strict=True):
            _panel(context, axes, method, role, probe)
        panels[0].set_ylabel(f"{context.measured},\n{context.method_label(method)}")
    for axes, (role, probe) in zip(grid[0], sets, strict=True):
        axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
    for axes in grid[-1]:
        axes.set_xlabel("noise norm / activation norm")
    handles = style.handles([grid[0][0]]) | {"chance": style.dotted()}
    style.legend(figure, handles, ncols=6)
    return figure


def _panel(context: ReportContext, axes, method: str, role: str, probe: str) -> None:
    accuracy, scales = context.tables["accuracy"], _relative_scales(context, method)
    chosen = accuracy[(accuracy["role"] == role) & (accuracy["probe"] == probe)]
    rows = chosen[chosen["method"] == method].set_index("defence")
    for head, line in _lines(context):
        part = rows[[name == NONE or (name in line and name in scales) for name in rows.index]].copy()
        if len(part) < 2:
            continue
        # The undefended model is the start of every line, and drawn once.
        part["scale"] = [scales.get(name, 0.0) for name in part.index]
        part = part.sort_values("scale")
        is_rna = context.defences[head]["kind"] == RNA
        axes.errorbar(
            part["scale"], part["mean"], yerr=style.errors(part), label=context.defence_label(head), markersize=4,
            linewidth=1.4 if is_rna else 1, linestyle="-" if is_rna else "--", capsize=0, **style.look(context, head),
        )  # fmt: skip
    plain = rows.loc[[NONE]]
    axes.errorbar(
        [0], plain["mean"], yerr=style.errors(plain), color=style.BASELINE, marker="o", markersize=6, label="plain"
    )
    reference = chosen[chosen["method"] == REFERENCE]["mean"]
    if len(reference):
        axes.axhline(reference.iloc[0], color=style.REFERENCE_COLOUR, linewidth=0.9, label="reference")
    style.chance_line(axes, context.chance)
    axes.set_ylim(0, 1.03)
    style.percent_axis(axes.yaxis)


def _lines(context: ReportContext) -> Iterator[tuple[str, list[str]]]:
    """(defence that names the line, all on it): each RNA with its variants, each kind of control matched to them."""
    entries = context.defences
    for base in context.of_kind(RNA):
        family = [base, *(name for name, entry in entries.items() if entry.get("variant_of") == base)]
        yield base, family
        for kind in CONTROLS:
            matched = [name for name in context.of_kind(kind, variants=True) if entries[name].get("match") in family]
            # More retaining, and equality in something else than forgetting, are other controls than stopping early.
            line = [
                name
                for name in matched
                if entries[name].get("retain_factor", 1.0) == 1.0
                and entries[name].get("equal", "forgetting") == "forgetting"
            ]
            if line:
                yield min(line, key=lambda name: "variant_of" in entries[name]), line


def _swept_methods(context: ReportContext) -> list[str]:
    """The methods with several noise scales beside their plain run; without any, the first with most of them."""
    present = context.tables["accuracy"].groupby("method")["defence"].unique()
    noise = set(context.of_kind(RNA, variants=True))
    scales = {method: len(noise & set(present.get(method, []))) for method in context.methods()}
    swept = [method for method, count in scales.items() if count and NONE in set(present[method])]
    return [method for method in swept if scales[method] >= SWEPT] or sorted(swept, key=scales.get)[-1:]


def _relative_scales(context: ReportContext, method: str) -> dict[str, float]:
    """Defence to relative noise scale: its own, or that of the cell that it is matched to (an early stop has none)."""
    measured = context.tables["measures"]
    means: pandas.Series = measured[measured["method"] == method].groupby("defence")["relative_noise_scale"].mean()
    own, scales = means.dropna(), {}
    for name in means.index:
        source = name if name in own.index else context.defences.get(name, {}).get("match")
        if source in own.index:
            scales[name] = float(own[source])
    return scales
