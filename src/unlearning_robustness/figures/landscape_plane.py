"""The loss around unlearned models as a map: one panel a defence, the same axes, one colour scale for each corpus."""

from matplotlib.ticker import MaxNLocator

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.landscape_line import UNMEASURED, slices
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("landscape",)
SETTINGS = ()
PAPER = "stableun-figure-2"
CAPTION = (
    "Loss around unlearned models; a: towards the relearned model, b: a random direction at right angles, both in "
    "units of the way's length. One colour scale for each corpus; each panel has directions of its own."
)

MARKS = {"unlearned": (0, 0, "o"), "relearned": (1, 0, "*")}


def draw(context: ReportContext):
    """One row a method and corpus, one column a defence; contours of the NLL a token, mean over seeds."""
    table, methods = slices(context, "plane")
    if not methods:
        return style.nothing(UNMEASURED)
    defences = [name for name in (NONE, *context.defences) if name in set(table["defence"])]
    rows = [(method, corpus) for method in methods for corpus in ("forget", "retain")]
    figure, grid = pyplot.subplots(
        len(rows), len(defences), figsize=(1.4 + 2.1 * len(defences), 0.9 + 2 * len(rows)),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    levels = {
        name: MaxNLocator(14).tick_values(part.min(), part.max()) for name, part in table.groupby("corpus")["mean"]
    }
    filled = {}
    for line, (method, corpus) in zip(grid, rows, strict=True):
        for axes, defence in zip(line, defences, strict=True):
            chosen = (table["method"] == method) & (table["corpus"] == corpus) & (table["defence"] == defence)
            if chosen.any():
                filled[corpus] = _panel(axes, table[chosen], levels[corpus])
                length = table.loc[chosen, "length"].iloc[0]
                axes.set_title(f"{context.defence_label(defence)}\n‖d₁‖ = {length:.2g}", fontsize=8)
            else:
                axes.set_visible(False)
        line[0].set_ylabel(f"{context.method_label(method)}: {corpus} text\nb")
    for axes in grid[-1]:
        axes.set_xlabel("a")
    for corpus, part in filled.items():
        label = f"NLL a token of {corpus} text (nats)"
        figure.colorbar(part, ax=grid, label=label, shrink=min(1.0, 2 / len(rows)), aspect=30)
    handles = [pyplot.Line2D([], [], marker=mark, linestyle="none", color="white", markeredgecolor="black",
                             markersize=9 if mark == "*" else 6) for _, _, mark in MARKS.values()]  # fmt: skip
    figure.legend(handles, MARKS, loc="outside lower center", ncols=2)
    return figure


def _panel(axes, rows, levels):
    values = rows.pivot(index="b", columns="a", values="mean")
    filled = axes.contourf(values.columns, values.index, values.to_numpy(), levels=levels, cmap="viridis")
    axes.contour(values.columns, values.index, values.to_numpy(), levels=levels, colors="white", linewidths=0.4)
    for a, b, mark in MARKS.values():
        axes.plot([a], [b], marker=mark, color="white", markeredgecolor="black", markersize=9 if mark == "*" else 6)
    axes.set_aspect("equal")
    return filled
