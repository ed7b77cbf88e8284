"""Relearning curves: how fast knowledge comes back, under the ceiling of the reference under the same attack."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot


def draw(context: FigureContext):
    """One panel a method and attack setting: steps across, forget accuracy up, one curve a defence."""
    table = context.tables["relearning"]
    if table.empty:
        return style.nothing("This study attacks no model.")
    settings = table[table["method"] != "reference"][["attack", "documents", "method"]].drop_duplicates()
    order = {name: number for number, name in enumerate(context.config["attacks"])}
    settings = sorted(settings.itertuples(index=False), key=lambda row: (order[row.attack], row.method, row.documents))
    columns = min(len(settings), 3)
    lines = -(-len(settings) // columns)
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(2.6 * columns, 2.5 * lines + 0.5), sharex=True, sharey=True, squeeze=False
    )
    shown = {}
    for axes, (attack, documents, method) in zip(grid.flat, settings, strict=False):
        part = table[(table["attack"] == attack) & (table["documents"] == documents)]
        reference = part[part["method"] == "reference"].sort_values("steps")
        if len(reference):
            shown["reference, same attack"] = _curve(axes, reference, style.REFERENCE_COLOUR, ".")
        for defence, rows in part[part["method"] == method].groupby("defence"):
            label = style.defence_label(defence, context.defences)
            colour, marker = style.colour(defence, context.defences), style.marker(defence, context.defences)
            shown[label] = _curve(axes, rows.sort_values("steps"), colour, marker)
        style.chance_line(axes, context.chance)
        axes.set_title(
            f"{context.method_label(method)}: {documents} documents{_variant(context, attack)}", fontsize=8.5
        )
        axes.set_ylim(0.15, 1.03)
        style.percent_axis(axes.yaxis)
    for axes in list(grid.flat)[len(settings) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("forget accuracy")
    for axes in grid[-1]:
        axes.set_xlabel("relearning steps")
    shown["chance"] = pyplot.Line2D([], [], color=style.CHANCE_COLOUR, linestyle=":")
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4)
    return figure


def _curve(axes, rows, colour: str, marker: str):
    axes.fill_between(rows["steps"], rows["low"], rows["high"], color=colour, alpha=0.12, linewidth=0)
    return axes.plot(rows["steps"], rows["mean"], color=colour, marker=marker, markersize=4, linewidth=1.3)[0]


def _variant(context: FigureContext, attack: str) -> str:
    shuffled = context.config["attacks"][attack]["parameters"].get("corpus") == "relearn-shuffled"
    return ",\nwrong answers" if shuffled else ""
