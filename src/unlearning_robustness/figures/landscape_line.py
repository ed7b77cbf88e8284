"""The loss on the way from the unlearned to the relearned model, and beyond: every defence of a method on one axis."""

import pandas

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("landscape",)
SETTINGS = ()
PAPER = "stableun-figure-2"
CAPTION = (
    "Loss on the straight way from the unlearned model (0) to the one relearned from it (1), and beyond both. "
    "Mean over seeds; band: from the least to the most. Each defence has its own way, of its own length."
)

CORPORA = {"forget": "forget text", "retain": "retain text"}
UNMEASURED = "This study measures no loss landscape."


def slices(context: ReportContext, name: str) -> tuple[pandas.DataFrame, list[str]]:
    """The table's rows of the slice ``name``, ``line`` or ``plane``, and the methods that it was measured of."""
    table = context.tables["landscape"]
    table = table[table["slice"] == name] if len(table) else table
    methods = [method for method in context.methods() if len(table) and method in set(table["method"])]
    return (table[table["method"].isin(methods)] if methods else table), methods


def draw(context: ReportContext):
    """One row a method, forget loss left, retain loss right; mean over seeds, the band from the least to the most."""
    table, methods = slices(context, "line")
    if not methods:
        return style.nothing(UNMEASURED)
    figure, grid = pyplot.subplots(
        len(methods), 2, figsize=(style.WIDTH, 0.9 + 2.2 * len(methods)), sharex=True, sharey="col", squeeze=False
    )
    for row, method in zip(grid, methods, strict=True):
        for axes, (corpus, name) in zip(row, CORPORA.items(), strict=True):
            part = table[(table["method"] == method) & (table["corpus"] == corpus)]
            for defence in (NONE, *context.defences):
                curve = part[part["defence"] == defence].sort_values("a")
                if len(curve):
                    _curve(axes, curve, defence, context)
            for way in (0, 1):
                axes.axvline(way, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=0)
            axes.set_title(f"{context.method_label(method)}: {name}")
        row[0].set_ylabel("NLL a token (nats)")
    for axes in grid[-1]:
        axes.set_xticks([0, 1], ["0\nunlearned", "1\nrelearned"])
        axes.set_xlabel("way to the relearned model, a")
    style.legend(figure, style.handles(grid[:, 0]), ncols=4)
    return figure


def _curve(axes, rows, defence: str, context: ReportContext) -> None:
    look = style.look(context, defence)
    axes.fill_between(rows["a"], rows["least"], rows["most"], color=look["color"], alpha=0.15, linewidth=0)
    axes.plot(rows["a"], rows["mean"], **look, markersize=3.5, linewidth=1.3, label=context.defence_label(defence))
