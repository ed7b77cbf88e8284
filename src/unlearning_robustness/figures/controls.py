"""What could explain a defence away: every control beside it, with how far each moved the weights."""

from unlearning_robustness.config.cells import NONE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("accuracy", "measures")
SETTINGS = ("probes", "headline", "chance")
CAPTION = (
    "Every defence and control of a method on the same questions. Dashed: plain unlearning; dotted: chance; "
    "right: how far the weights moved, one mark a seed."
)


def draw(context: ReportContext):
    """One row a defence or control of the method with most of them; two accuracies and ||dW|| across."""
    table, sets = context.tables["accuracy"], context.headline_sets()
    counts = table.groupby("method")["defence"].nunique()
    method = max(context.methods(), key=lambda name: counts.get(name, 0), default=None)
    if method is None:
        return style.nothing("This study unlearns nothing.")
    rows = table[table["method"] == method]
    present = [name for name in context.defences if name in set(rows["defence"])]
    shown = [NONE, *sorted(present, key=lambda name: context.defences[name]["kind"] != RNA)]
    figure, panels = pyplot.subplots(1, 4, figsize=(style.WIDTH + 2.4, 1.0 + 0.3 * len(shown)), sharey=True)
    levels = range(len(shown))
    colours = [style.colour(name, context.defences) for name in shown]
    for axes, (role, probe) in zip(panels, sets, strict=False):
        chosen = rows[(rows["role"] == role) & (rows["probe"] == probe)].set_index("defence").reindex(shown)
        for level, name in zip(levels, shown, strict=True):
            axes.errorbar(
                chosen.loc[[name], "mean"], [level], xerr=style.errors(chosen.loc[[name]]), linestyle="none",
                marker=style.marker(name, context.defences), color=colours[level], markersize=5, linewidth=1.2,
            )  # fmt: skip
        axes.axvline(chosen.loc[NONE, "mean"], color=style.BASELINE, linewidth=0.7, linestyle="--", zorder=0)
        style.chance_line(axes, context.chance, horizontal=False)
        axes.set_title(context.probe_label(role, probe).replace(": ", ":\n"))
        axes.set_xlim(0, 1.03)
        style.percent_axis(axes.xaxis)
        axes.set_xlabel(context.measured)
    measured = context.tables["measures"]
    for level, name in zip(levels, shown, strict=True):
        change = measured[(measured["method"] == method) & (measured["defence"] == name)]["weight_change"]
        panels[3].plot(change, [level] * len(change), linestyle="none", marker="|", markersize=9, color=colours[level])
    # The margin right of the marks is a share of the whole axis, not of the little by which they differ.
    panels[3].update_datalim([(0, 0)])
    panels[3].autoscale_view()
    panels[3].set_xlim(left=0)
    panels[3].set_title("weight change")
    panels[3].set_xlabel("‖ΔW‖, one mark a seed")
    panels[0].set_yticks(levels, [context.defence_label(name) for name in shown])
    panels[0].invert_yaxis()
    figure.suptitle(f"{context.method_label(method)} (dashed: plain; dotted: chance)", fontsize=9)
    return figure
