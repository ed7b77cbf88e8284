"""Which measures tell models that hold the forget facts, though they hide them, from models that never had them."""

import pandas

from unlearning_robustness.analysis.cell_measures import FAMILIES
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("meta_evaluation", "meta_correlations")
SETTINGS = ("attacks",)
CAPTION = (
    "Each row is a measure of a model. Left: the area under its ROC curve for telling models that hold the forget "
    "facts from models that never had them, with 95 % intervals; at 0.5 it does not tell them apart, at 0 it does in "
    "reverse. "
    "Right: its rank correlation with what relearning brings back beyond what it teaches, over all unlearned models, "
    "filled: at equal forgetting."
)
UNMEASURED = "This study names no models that are known to hold the forget facts."
LABELS = {
    "sam_gap": "ascent gap", "probability": "probability of the right choice", "weight_change": "norm of the change",
    "min-k": "membership inference (Min-k %)", "accuracy": "forget accuracy", "accuracy gain": "accuracy gained",
    "probability gain": "probability gained",
}  # fmt: skip
KEYS = ["family", "measure", "at", "attack", "point"]
# Nudged apart: the correlation as it is, and at equal forgetting.
GIVEN = {"nothing": (-0.15, "none"), "start": (0.15, "full")}


def draw(context: ReportContext):
    """One row a measure, grouped by family, the best at telling models apart first."""
    # Its column `measure` names more than measures of answers.
    table = context.every_measure["meta_evaluation"]
    if table.empty:
        return style.nothing(UNMEASURED)
    table = _named(table)
    order = table.assign(rank=table["family"].map(FAMILIES.index), apart=(table["mean"] - 0.5).abs())
    order = order.sort_values(["rank", "apart"], ascending=[True, False], kind="stable", ignore_index=True)
    size = style.WIDTH + 1, 1.0 + 0.19 * len(order)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=size, sharey=True)
    for axes, zero in ((left, 0.5), (right, 0.0)):
        style.separators(axes, len(order))
        axes.axvline(zero, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=1)
    for level, row in order.iterrows():
        _point(left, row, level, _colour(row["family"]), label=row["family"])
    _correlations(right, _named(context.every_measure["meta_correlations"]), order)
    left.set_yticks(range(len(order)), [_label(context, row) for _, row in order.iterrows()], fontsize=7.5)
    left.set_ylim(len(order) - 0.5, -0.5)
    left.set_xlim(-0.02, 1.02)
    right.set_xlim(-1.05, 1.05)
    left.set_title("tells knowing from never trained", fontsize=8.5)
    left.set_xlabel("area under the ROC curve")
    right.set_title("follows corrected recovery", fontsize=8.5)
    right.set_xlabel("rank correlation")
    style.legend(figure, style.handles([left, right]), ncols=4)
    return figure


def _named(table: pandas.DataFrame) -> pandas.DataFrame:
    """The table with the names of measures as text: a file has them as numbers where all of a column are numbers."""
    return table.assign(**{key: table[key].map(_text) for key in KEYS}) if len(table) else table


def _text(value) -> str:
    if pandas.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _correlations(axes, related: pandas.DataFrame, order: pandas.DataFrame) -> None:
    """The correlations of each row's measure, as it is and at equal forgetting."""
    for level, measure in order.iterrows():
        rows = related[(related[KEYS] == measure[KEYS]).all(axis=1)] if len(related) else related
        for _, row in rows.iterrows():
            nudge, fill = GIVEN[row["given"]]
            _point(axes, row, level + nudge, _colour(measure["family"]), fillstyle=fill)


def _point(axes, row: pandas.Series, level: float, colour: str, **look) -> None:
    errors = [[max(0.0, row["mean"] - row["low"])], [max(0.0, row["high"] - row["mean"])]]
    axes.errorbar(
        [row["mean"]], [level], xerr=errors, linestyle="none", marker="o", markersize=3.5, linewidth=1, color=colour,
        **look,
    )  # fmt: skip


def _colour(family: str) -> str:
    return style.METHOD_COLOURS[FAMILIES.index(family)]


def _label(context: ReportContext, row: pandas.Series) -> str:
    """What was measured, where, and after which attack."""
    name = LABELS.get(row["measure"], row["measure"].replace("_", " "))
    name += f" at {row['at']}" if row["at"] != "" else ""
    if row["attack"] == NONE:
        return name
    point = f", {row['point']}" if row["point"] != "" else ""
    return f"{name} after {context.attack_label(row['attack'])}{point}"
