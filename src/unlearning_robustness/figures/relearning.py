"""Relearning curves: how fast knowledge comes back, under the ceiling of the reference under the same attack."""

from itertools import pairwise
from textwrap import TextWrapper

from unlearning_robustness.analysis.attack_validity import failed_controls
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("relearning", "attack_validity", "floors")
SETTINGS = ("attacks", "chance")
CAPTION = (
    "Forget accuracy on facts of other entities while an attacker fine-tunes on a few forget documents. Black: the "
    "reference under the same attack, which is the ceiling. Grey: the floor, what plain unlearning answers when the "
    "same options are asked about another entity; dotted: chance. Dashed: the attack failed its teaching control, so "
    "what does not come back may still be there."
)

WEIGHT_NOISE = "weight-noise"
MOST = 6
# Characters of a line of a panel's title.
TITLE = 26
CORPORA = {
    "relearn-shuffled": "wrong answers",
    "neighbour": "neighbour domain",
    "benign": "benign prose",
    "seen": "about what is asked",
}
TRAINED = {"full": "all layers trained", "lora": "LoRA"}


def draw(context: ReportContext):
    """One panel a method and attack setting: steps across, forget accuracy up, one curve a defence.

    More than ``MOST`` defences are dealt to several numbered panels, each with plain unlearning and weight noise; where
    there are more than three curves only plain unlearning and the reference have their intervals drawn.
    """
    table = context.tables["relearning"]
    panels = _panels(context, table) if len(table) else []
    if not panels:
        return style.nothing("This study attacks no unlearned model.")
    invalid = failed_controls(context.tables["attack_validity"])
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(2.6 * columns, 2.5 * lines + 0.5), sharex=True, sharey=True, squeeze=False
    )
    shown = {}
    for axes, ((attack, documents, method), defences, number) in zip(grid.flat, panels, strict=False):
        part = table[(table["attack"] == attack) & (table["documents"] == documents)]
        reference = part[part["method"] == REFERENCE].sort_values("steps")
        if len(reference):
            look = {"color": style.REFERENCE_COLOUR, "marker": "."}
            shown["reference, same attack"] = _curve(axes, reference, look, band=True)
        for defence in defences:
            rows = part[(part["method"] == method) & (part["defence"] == defence)].sort_values("steps")
            band = defence == NONE or len(defences) <= 3
            dashes = {"linestyle": "--"} if (method, defence, attack) in invalid else {}
            shown[context.defence_label(defence)] = _curve(axes, rows, style.look(context, defence) | dashes, band)
        style.chance_line(axes, context.chance)
        if (floor := context.floor(method, "forget")) is not None:
            style.floor_line(axes, floor)
            shown["floor"] = style.solid()
        title = f"{context.method_label(method)}: {setting(context, attack, documents)}"
        axes.set_title(_numbered(title, number), fontsize=8.5)
        axes.set_ylim(0.15, 1.03)
        style.percent_axis(axes.yaxis)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"forget {context.measured}")
    for axes in grid[-1]:
        axes.set_xlabel("relearning steps")
    shown["chance"] = style.dotted()
    style.legend(figure, shown, ncols=4)
    return figure


def _panels(context: ReportContext, table) -> list[tuple]:
    """((attack, documents, method), defences, its number where there are several) of panels, in the study's order."""
    by_run = table[table["method"] != REFERENCE].groupby(["attack", "documents", "method"])["defence"].unique()
    runs = [(*run, method) for run in context.attack_runs(table) for method in context.every_method()]
    panels = []
    for run in (run for run in runs if run in by_run.index):
        present = sorted(by_run[run], key=[NONE, *context.defences].index)
        always = [name for name in present if name in (NONE, *context.of_kind(WEIGHT_NOISE))]
        others = [name for name in present if name not in always]
        dealt = _dealt(others)
        for part, names in enumerate(dealt, 1):
            panels.append((run, [*always, *names], f"({part}/{len(dealt)})" if len(dealt) > 1 else ""))
    return panels


def _dealt(names: list[str]) -> list[list[str]]:
    """``names`` in order, in as few parts of at most ``MOST`` as it takes, about as large as each other."""
    parts = max(-(-len(names) // MOST), 1)
    bounds = [-(-len(names) * part // parts) for part in range(parts + 1)]
    return [names[start:end] for start, end in pairwise(bounds)]


def setting(context: ReportContext, attack: str, documents: int) -> str:
    """What a panel calls an attack: its name, or of relearning how many documents and how it differs from the plain."""
    if not documents:
        return balanced(context.attack_label(attack))
    entry = context.settings["attacks"][attack]
    words = [CORPORA.get(entry.get("corpus")), TRAINED.get(entry.get("trained"))]
    if entry.get("epochs"):
        words.append(f"{'/'.join(map(str, entry['epochs']))} passes")
    elif entry.get("order") == "nested":
        words.append("each once")
    words = [word for word in words if word]
    line = ", ".join(words)
    return ",\n".join([f"{documents} documents", *([line] if 0 < len(line) <= TITLE else words)])


def _numbered(title: str, number: str) -> str:
    """A title with the number of its panel behind it, or below it where the line would be too long."""
    if not number:
        return title
    between = " " if len(f"{title.splitlines()[-1]} {number}") <= TITLE else "\n"
    return f"{title}{between}{number}"


def balanced(text: str) -> str:
    """``text`` in as few lines of at most ``TITLE`` characters as it takes, about as long as each other."""
    broken = [TextWrapper(width, break_long_words=False).wrap(text) for width in range(1, TITLE + 1)]
    return "\n".join(next(lines for lines in broken if len(lines) == len(broken[-1])))


def _curve(axes, rows, look: dict, band: bool):
    if band:
        axes.fill_between(rows["steps"], rows["low"], rows["high"], color=look["color"], alpha=0.12, linewidth=0)
    return axes.plot(rows["steps"], rows["mean"], **look, markersize=4, linewidth=1.3)[0]
