"""Accuracy on every question set, per method and defence, with the reference, the floor and chance."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy", "floors")
SETTINGS = ("probes", "headline", "chance")
CAPTION = (
    "Accuracy on every question set. Points: mean over seeds and facts; bars: 95 % intervals. Black ticks: the "
    "reference; grey ticks: the floor, what plain unlearning answers when the same options are asked about another "
    "entity; dotted: chance. Lower is better on *forget*, down to the floor, higher on all else."
)


def draw(context: ReportContext):
    """One panel a method: question sets down, accuracy across, one point a defence with its interval."""
    table = context.tables["accuracy"]
    table = table[table["probe"].isin(context.answer_probes())]
    sets = _question_sets(context, table)
    methods = context.methods()
    if not methods:
        return style.nothing(style.UNTRAINED)
    most = table[table["method"].isin(methods)].groupby("method")["defence"].nunique().max()
    height = 0.9 + max(0.42, 0.1 * most) * len(sets)
    figure, panels = pyplot.subplots(
        1, len(methods), figsize=(2.2 + 2.1 * len(methods), height), sharey=True, squeeze=False
    )
    reference = table[table["method"] == REFERENCE].set_index(["role", "probe"])["mean"]
    for axes, method in zip(panels[0], methods, strict=True):
        rows = table[table["method"] == method]
        defences = [NONE, *(name for name in context.defences if name in set(rows["defence"]))]
        for level, (role, probe) in enumerate(sets):
            if (role, probe) in reference.index:
                value = reference[(role, probe)]
                axes.plot([value, value], [level - 0.42, level + 0.42], color=style.REFERENCE_COLOUR, linewidth=1.2)
            if probe == context.probe("baseline"):
                style.floor_line(axes, context.floor(method, role), level)
        for number, defence in enumerate(defences):
            part = rows[rows["defence"] == defence].set_index(["role", "probe"]).reindex(sets)
            offset = (number - (len(defences) - 1) / 2) * 0.7 / max(len(defences), 2)
            axes.errorbar(
                part["mean"], [level + offset for level in range(len(sets))], xerr=style.errors(part), linestyle="none",
                **style.look(context, defence),
                markersize=4, linewidth=1, label=context.defence_label(defence),
            )  # fmt: skip
        style.chance_line(axes, context.chance, horizontal=False)
        axes.set_title(context.method_label(method))
        axes.set_xlim(0, 1.02)
        style.percent_axis(axes.xaxis)
        axes.set_xlabel(context.measured)
        style.separators(axes, len(sets))
    panels[0][0].set_yticks(range(len(sets)), [context.probe_label(*item) for item in sets])
    panels[0][0].invert_yaxis()
    widest = max(panels[0], key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    handles, labels = widest.get_legend_handles_labels()
    handles += [pyplot.Line2D([], [], color=style.REFERENCE_COLOUR, linewidth=1.2)]
    handles += [style.solid(), style.dotted()]
    figure.legend(handles, [*labels, "reference", "floor", "chance"], loc="outside lower center", ncols=4)
    return figure


def _question_sets(context: ReportContext, table: pandas.DataFrame) -> list[tuple[str, str]]:
    """(role, probe): forget, retain, neighbour first, then the retain probes in the study's order."""
    present = list(dict.fromkeys(zip(table["role"], table["probe"], strict=True)))
    roles, probes, plain = ["forget", "retain", "neighbour"], context.answer_probes(), context.probe("baseline")
    return sorted(present, key=lambda item: (item[1] != plain, roles.index(item[0]), probes.index(item[1])))
