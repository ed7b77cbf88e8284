"""What a defence changes, against plain unlearning and against the controls: paired differences."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot


def draw(context: FigureContext):
    """One panel a comparison: question sets down, difference in points across, one point a method."""
    table = context.tables["differences"]
    compared = [(row.first, row.second) for row in table[["first", "second"]].drop_duplicates().itertuples()]
    kinds = {name: entry["kind"] for name, entry in context.defences.items()}
    # The defence itself and its controls; the sweep over noise scales has a figure of its own.
    compared = [pair for pair in compared if kinds.get(pair[0], pair[0]) == pair[0]]
    if not compared:
        return style.nothing("This study has no defences to compare.")
    sets = [(role, "plain") for role in ("forget", "retain", "neighbour") if role in set(table["role"])]
    sets += [("retain", probe) for probe in context.config["study"]["probes"] if probe not in ("plain", "letter")]
    methods = [method for method in context.methods() if method in set(table["method"])]
    figure, panels = pyplot.subplots(
        1,
        max(len(compared), 1),
        figsize=(2.2 + 2.3 * len(compared), 0.9 + 0.36 * len(sets)),
        sharey=True,
        squeeze=False,
    )
    for axes, (first, second) in zip(panels[0], compared, strict=False):
        for number, method in enumerate(methods):
            part = table[(table["first"] == first) & (table["second"] == second) & (table["method"] == method)]
            part = part.set_index(["role", "probe"]).reindex(sets)
            if part["mean"].isna().all():
                continue
            offset = (number - (len(methods) - 1) / 2) * 0.22
            axes.errorbar(
                part["mean"] * 100, [place + offset for place in range(len(sets))],
                xerr=[bound * 100 for bound in style.errors(part)], linestyle="none",
                marker=style.METHOD_MARKERS[number],
                color=style.METHOD_COLOURS[number], markersize=4, linewidth=1, label=context.method_label(method),
            )  # fmt: skip
        axes.axvline(0, color=style.REFERENCE_COLOUR, linewidth=0.8)
        left, right = (style.defence_label(name, context.defences) for name in (first, second))
        axes.set_title(f"{left}\n− {right}")
        axes.set_xlabel("accuracy difference (points)")
    panels[0][0].set_yticks(range(len(sets)), [context.probe_label(*item) for item in sets])
    panels[0][0].invert_yaxis()
    named = {}
    for axes in panels[0]:
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
    return figure
