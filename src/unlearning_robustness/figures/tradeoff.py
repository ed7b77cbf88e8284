"""Forgetting against robustness: where each method stands, and where the defence moves it."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy",)
SETTINGS = ("headline", "chance")
PAPER = "rna-figure-1"
CAPTION = (
    "Each method without and with RNA (arrow), and its controls. The upper left is best: little left of the forget "
    "set, retain questions answered in spite of a forget token."
)
CONTROLS = ("early-stop", "gradient-noise")
# So many methods are named where they stand, more of them in a legend of markers.
NAMED = 4


def draw(context: ReportContext):
    """Forget accuracy across (left is better), retain accuracy under a forget token up; an arrow plain to RNA."""
    rows, methods = _rows(context), context.methods()
    controls = [name for kind in CONTROLS for name in context.of_kind(kind)]
    defences = [name for name in (NONE, *context.of_kind(RNA), *controls) if name in set(rows["defence"])]
    by_cell, direct = rows.set_index(["method", "defence"]), len(methods) <= NAMED
    figure, axes = pyplot.subplots(figsize=(5.4, 4.0) if direct else (6.8, 4.4))
    for number, method in enumerate(methods):
        for defence in defences:
            if (method, defence) in by_cell.index:
                _point(context, axes, by_cell.loc[(method, defence)], style.METHOD_MARKERS[number], defence)
        _arrows(context, axes, by_cell, method, direct)
    if (REFERENCE, NONE) in by_cell.index:
        row = by_cell.loc[(REFERENCE, NONE)]
        axes.plot(row["mean_forget"], row["mean_token"], marker="*", color=style.REFERENCE_COLOUR, markersize=11)
        axes.annotate("reference", (row["mean_forget"], row["mean_token"]), xytext=(-8, -14),
                      textcoords="offset points", ha="right")  # fmt: skip
    style.chance_line(axes, context.chance, horizontal=False)
    axes.annotate("chance", (context.chance, axes.get_ylim()[0]), xytext=(3, 3), textcoords="offset points",
                  color=style.CHANCE_COLOUR)  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        style.percent_axis(axis)
    axes.set_xlabel(f"forget {context.measured} (lower is better)")
    axes.set_ylabel(f"retain {context.measured} with a forget token")
    _legends(context, figure, defences, [] if direct else methods)
    return figure


def _rows(context: ReportContext):
    """Of every cell both accuracies, ``_forget`` and ``_token``."""
    accuracy, (forget_set, _, token_set) = context.tables["accuracy"], context.headline_sets()
    forget, token = (
        accuracy[(accuracy["role"] == role) & (accuracy["probe"] == probe)] for role, probe in (forget_set, token_set)
    )
    return forget.merge(token, on=["method", "defence"], suffixes=("_forget", "_token"))


def _point(context: ReportContext, axes, row, marker: str, defence: str) -> None:
    axes.errorbar(
        row["mean_forget"], row["mean_token"],
        xerr=[[row["mean_forget"] - row["low_forget"]], [row["high_forget"] - row["mean_forget"]]],
        yerr=[[row["mean_token"] - row["low_token"]], [row["high_token"] - row["mean_token"]]],
        marker=marker, color=style.colour(defence, context.defences), markersize=7, linewidth=0.7, linestyle="none",
    )  # fmt: skip


def _arrows(context: ReportContext, axes, by_cell, method: str, named: bool) -> None:
    """From plain unlearning to each RNA; ``named``: with the method's name where they start."""
    ends = [defence for defence in context.of_kind(RNA) if (method, defence) in by_cell.index]
    if (method, NONE) not in by_cell.index or not ends:
        return
    start = by_cell.loc[(method, NONE), ["mean_forget", "mean_token"]].tolist()
    for defence in ends:
        axes.annotate(
            "", xy=by_cell.loc[(method, defence), ["mean_forget", "mean_token"]].tolist(), xytext=start,
            arrowprops={"arrowstyle": "->", "color": "#555555", "shrinkA": 6, "shrinkB": 6},
        )  # fmt: skip
    if named:
        label = context.method_label(method)
        axes.annotate(label, start, xytext=(9, -13), textcoords="offset points", fontsize=9)


def _legends(context: ReportContext, figure, defences: list[str], methods: list[str]) -> None:
    """Colours of the defences below, markers of the methods, if any, to the right."""
    colours = [
        pyplot.Line2D([], [], marker="o", linestyle="none", color=style.colour(name, context.defences))
        for name in defences
    ]
    figure.legend(colours, map(context.defence_label, defences), loc="outside lower center", ncols=4)
    if methods:
        markers = [
            pyplot.Line2D([], [], marker=style.METHOD_MARKERS[number], linestyle="none", color="#555555")
            for number, _ in enumerate(methods)
        ]
        figure.legend(markers, map(context.method_label, methods), loc="outside right upper")
