"""What a defence changes, against plain unlearning and against the controls: paired differences."""

from unlearning_robustness.config.cells import COMBINATION
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("differences",)
SETTINGS = ("probes", "headline")
CAPTION = (
    "Paired differences on the same questions and seeds. Left of zero: the first is less accurate. An interval "
    "that contains zero shows no difference."
)


def draw(context: ReportContext):
    """One panel a comparison: question sets down, difference in points across, one point a method."""
    table = context.tables["differences"]
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
                part["mean"] * 100, [level + offset for level in range(len(sets))],
                xerr=[bound * 100 for bound in style.errors(part)], linestyle="none",
                marker=style.METHOD_MARKERS[number],
                color=style.METHOD_COLOURS[number], markersize=4, linewidth=1, label=context.method_label(method),
            )  # fmt: skip
        axes.axvline(0, color=style.REFERENCE_COLOUR, linewidth=0.8)
        left, right = map(context.defence_label, (first, second))
        axes.set_title(f"{left}\n− {right}")
        axes.set_xlabel("accuracy difference (points)")
    panels[0][0].set_yticks(range(len(sets)), [context.probe_label(*item) for item in sets])
    panels[0][0].invert_yaxis()
    style.legend(figure, style.handles(panels[0]), ncols=4)
    return figure
