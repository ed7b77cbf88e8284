"""What a defence changes, against plain unlearning and against the controls: paired differences."""

import pandas

from unlearning_robustness.config.cells import ACCURACY, ANSWER_MEASURES, COMBINATION, MEASURE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("differences",)
SETTINGS = ("probes", "headline")
CAPTION = (
    "Paired differences on the same questions and seeds. Left of zero: the first is less accurate. An interval "
    "that contains zero shows no difference. Pale and open, with few methods: the right choice's probability."
)
# The share of a row that its points take, and the most that lies between two of them.
SPREAD, STEP = 0.64, 0.22
# More methods have points of the shown measure alone.
FEW = 4


def draw(context: ReportContext):
    """One panel a comparison: question sets down, difference in points across, one point a method and measure."""
    table = context.every_measure["differences"]
    # Variants and combinations are left out: the sweep over noise scales has a figure of its own.
    alone = {name for kind in {entry["kind"] for entry in context.defences.values()} for name in context.of_kind(kind)}
    alone -= set(context.of_kind(COMBINATION))
    compared = [(row.first, row.second) for row in table[["first", "second"]].drop_duplicates().itertuples()]
    compared = [pair for pair in compared if pair[0] in alone]
    if not compared:
        return style.nothing("This study has no defences to compare.")
    plain = context.probe("baseline")
    sets = [(role, plain) for role in ("forget", "retain", "neighbour") if role in set(table["role"])]
    sets += [("retain", probe) for probe in context.answer_probes() if probe != plain]
    methods = [method for method in context.methods() if method in set(table["method"])]
    shown = ANSWER_MEASURES if len(methods) <= FEW else (context.measured,)
    measures = [measure for measure in shown if measure in set(table[MEASURE])]
    lines = [(method, measure) for method in methods for measure in measures]
    step = min(STEP, SPREAD / max(1, len(lines) - 1))
    figure, panels = pyplot.subplots(
        1,
        max(len(compared), 1),
        figsize=(2.2 + 2.3 * len(compared), 0.9 + 0.36 * len(sets) * max(1.0, len(lines) / 5)),
        sharey=True,
        squeeze=False,
    )
    for axes, (first, second) in zip(panels[0], compared, strict=False):
        pair = table[(table["first"] == first) & (table["second"] == second)]
        for number, (method, measure) in enumerate(lines):
            part = pair[(pair["method"] == method) & (pair[MEASURE] == measure)]
            offset = (number - (len(lines) - 1) / 2) * step
            part = part.set_index(["role", "probe"]).reindex(sets)
            label = f"{context.method_label(method)}, {measure}"
            _points(axes, part, offset, _look(methods.index(method), measure), label)
        axes.axvline(0, color=style.REFERENCE_COLOUR, linewidth=0.8)
        left, right = map(context.defence_label, (first, second))
        axes.set_title(f"{left}\n− {right}")
        axes.set_xlabel("difference (points)")
    panels[0][0].set_yticks(range(len(sets)), [context.probe_label(*item) for item in sets])
    panels[0][0].invert_yaxis()
    style.separators(panels[0][0], len(sets))
    style.legend(figure, style.handles(panels[0]), ncols=2 if len(measures) > 1 else 4)
    return figure


def _points(axes, part: pandas.DataFrame, offset: float, look: dict, label: str) -> None:
    """One point a question set, with its interval."""
    if part["mean"].isna().all():
        return
    axes.errorbar(
        part["mean"] * 100, [level + offset for level in range(len(part))],
        xerr=[bound * 100 for bound in style.errors(part)], linestyle="none", markersize=4, linewidth=1, label=label,
        **look,
    )  # fmt: skip


def _look(number: int, measure: str) -> dict:
    """How the points of a method look: accuracy filled, probability pale and open."""
    look = {"color": style.METHOD_COLOURS[number], "marker": style.METHOD_MARKERS[number]}
    return look if measure == ACCURACY else look | {"markerfacecolor": "white", "alpha": 0.6}
