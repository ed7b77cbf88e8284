"""MUSE's table as a picture: what is left of the forget texts, before and after relearning."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RETRAINED
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("memorisation",)
SETTINGS = ("attacks",)
PAPER = "stableun"
CAPTION = (
    "What a model says of texts that it was to forget, before and after relearning, in percent. Lines: the model "
    "that knew them by heart, and the one that never saw them."
)

PANELS = {
    ("verbatim", "forget"): "Verbatim\nmemorisation",
    ("knowledge", "forget"): "Knowledge:\nforget",
    ("knowledge", "retain"): "Knowledge:\nretain",
    ("privacy-leakage", "forget"): "Privacy leakage",
}
APART = 0.16


def draw(context: ReportContext):
    """One row a method and defence, one panel a metric; filled is the unlearned model, open the relearned one.

    Lines stand at the model that memorised the texts and at the one that never saw them, which is where unlearning
    should lead.
    """
    table = context.tables["memorisation"]
    if table.empty:
        return style.nothing("This study measures no memorisation.")
    rows = context.cells_of(table, context.methods(), [NONE, *context.defences])
    figure, panels = pyplot.subplots(1, 4, figsize=(style.WIDTH + 1.6, 1.5 + 0.3 * len(rows)), sharey=True)
    for axes, (panel, title) in zip(panels, PANELS.items(), strict=True):
        chosen = table[(table["metric"] == panel[0]) & (table["role"] == panel[1])]
        chosen = chosen.set_index(["method", "defence"]).sort_index()
        for level, kind in enumerate(rows):
            if kind in chosen.index:
                _row(axes, level, chosen.loc[[kind]], kind[1], context)
        for method, line in ((REFERENCE, "-"), (RETRAINED, ":")):
            level = chosen[(chosen.index.get_level_values("method") == method) & (chosen["attack"] == NONE)]
            if len(level):
                axes.axvline(level["mean"].iloc[0], color=style.REFERENCE_COLOUR, linewidth=1, linestyle=line, zorder=0)
        axes.set_title(title)
        axes.set_xlabel("percent" if panel[0] == "privacy-leakage" else "ROUGE-L × 100")
        if panel[0] != "privacy-leakage":
            axes.set_xlim(-3, 103)
        for level in range(1, len(rows)):
            heavy = rows[level][0] != rows[level - 1][0]
            axes.axhline(level - 0.5, color="#8A8A8A" if heavy else "#E6E6E6", linewidth=0.6, zorder=0)
    panels[0].set_yticks(range(len(rows)), [context.cell_label(*kind, plain="plain") for kind in rows])
    panels[0].invert_yaxis()
    figure.legend(*_legend(context, table), loc="outside lower center", ncols=4)
    return figure


def _row(axes, level: int, stages, defence: str, context: ReportContext) -> None:
    look = style.look(context, defence)
    before, after = stages[stages["attack"] == NONE], stages[stages["attack"] != NONE]
    for part, offset, filled in ((before, -APART, True), (after, APART, False)):
        axes.errorbar(
            part["mean"], [level + offset] * len(part), xerr=style.errors(part), linestyle="none", **look,
            markerfacecolor=look["color"] if filled else "white", markersize=5, linewidth=1,
        )  # fmt: skip


def _legend(context: ReportContext, table) -> tuple[list, list[str]]:
    attack = next((name for name in table["attack"] if name != NONE), None)
    faces = {"unlearned": "#555555"}
    if attack:
        faces[f"after {context.attack_label(attack)}"] = "white"
    handles = [
        pyplot.Line2D([], [], marker="o", linestyle="none", color="#555555", markerfacecolor=face)
        for face in faces.values()
    ]
    lines = {"memorised": "-", "never saw the texts": ":"}
    handles += [pyplot.Line2D([], [], color=style.REFERENCE_COLOUR, linestyle=line) for line in lines.values()]
    return handles, [*faces, *lines]
