"""What each run forgets and breaks on its way: comparisons at equal forgetting instead of equal steps."""

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("trajectory", "complete_forgetting")
SETTINGS = ()
CAPTION = (
    "One training run a line, asked every few steps. Left: how much likelier the right choice is than with another "
    "entity in the question; at zero nothing is known. Middle: retain accuracy lost to a forget token. Right: one "
    "against the other, from the reference on. Bands: least and most of the seeds. Rings: the first step at which "
    "nothing is shown to be known any more; what follows is over-training."
)

KNOWN, HARM = ("known", "probability"), ("harm", "accuracy")
UNMEASURED = "This study records no trajectory."


def draw(context: ReportContext):
    """One row a method: what is known by step, the forget token's harm by step, and harm against what is known."""
    table, marks = context.tables["trajectory"], context.tables["complete_forgetting"]
    methods = [method for method in context.methods() if len(table) and method in set(table["method"])]
    if not methods:
        return style.nothing(UNMEASURED)
    figure, grid = pyplot.subplots(
        len(methods), 3, figsize=(style.WIDTH + 1.4, 0.9 + 2.3 * len(methods)), sharex="col", squeeze=False
    )
    for row, method in zip(grid, methods, strict=True):
        for defence in (NONE, *context.defences):
            rows = table[(table["method"] == method) & (table["defence"] == defence)]
            if len(rows):
                ringed = marks[
                    (marks["method"] == method) & (marks["defence"] == defence) & (marks["at"] == "complete")
                ]
                _lines(row, rows, ringed, style.look(context, defence), context.defence_label(defence))
        _axes(row, context.method_label(method))
    for axes, label in zip(grid[-1], ("step", "step", "still known (right-choice probability)"), strict=True):
        axes.set_xlabel(label)
    style.legend(figure, style.handles(grid[:, 0]), ncols=4)
    return figure


def _lines(row, rows, ringed, look: dict, label: str) -> None:
    known, harm = (_curve(rows, *curve) for curve in (KNOWN, HARM))
    ring = {"marker": "o", "markersize": 10, "fillstyle": "none", "linestyle": "none", "color": look["color"]}
    ringed_known, ringed_harm = (_curve(ringed, *curve) for curve in (KNOWN, HARM))
    for axes, curve, mark in ((row[0], known, ringed_known), (row[1], harm, ringed_harm)):
        axes.fill_between(curve.index, curve["least"], curve["most"], color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(curve.index, curve["mean"], **look, markersize=3.5, linewidth=1.3, label=label)
        axes.plot(mark.index, mark["mean"], **ring)
    row[2].plot(known["mean"], harm["mean"], **look, markersize=3.5, linewidth=1.3)
    row[2].plot(ringed_known["mean"], ringed_harm["mean"], **ring)
    row[2].annotate(
        f"{known.index[-1]}", (known["mean"].iloc[-1], harm["mean"].iloc[-1]), xytext=(5, 3),
        textcoords="offset points", fontsize=7, color=look["color"],
    )  # fmt: skip


def _curve(rows, curve: str, quantity: str):
    return rows[(rows["curve"] == curve) & (rows["quantity"] == quantity)].set_index("steps").sort_index()


def _axes(row, label: str) -> None:
    for axes, title in zip(row, ("what is known", "harm of a forget token", "harm at what is known"), strict=True):
        axes.set_title(f"{label}: {title}", fontsize=8.5)
        axes.axhline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=0)
    row[2].axvline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=0)
    row[0].set_ylabel("probability above the floor")
    row[1].set_ylabel("retain accuracy lost")
    for axis in (row[0].yaxis, row[1].yaxis, row[2].yaxis, row[2].xaxis):
        style.percent_axis(axis)
