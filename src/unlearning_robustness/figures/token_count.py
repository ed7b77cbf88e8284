"""How many tokens it takes: retain accuracy against the number of forget or neutral tokens before the question."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("token_counts",)
SETTINGS = ("latents", "chance")
CAPTION = "Retain accuracy by the number of forget tokens before the question, with as many neutral tokens beside it."

MAX_PANELS = 4


def draw(context: ReportContext):
    """One panel a method, the reference first; number of tokens across, accuracy on the same facts up."""
    table = context.tables["token_counts"]
    methods = [name for name in (REFERENCE, *context.methods()) if name in set(table["method"])] if len(table) else []
    if not methods or table["count"].nunique() < 3:
        return style.nothing("This study asks with one number of tokens.")
    widest = table.groupby("method")["defence"].nunique().max()
    # Those whose latents are measured stand for their families.
    measured = context.settings["latents"]["methods"]
    methods = ([name for name in methods if name in measured] or methods)[:MAX_PANELS]
    figure, panels = pyplot.subplots(
        1, len(methods), figsize=(0.8 + 1.9 * len(methods), 2.9), sharey=True, squeeze=False
    )
    for axes, method in zip(panels[0], methods, strict=True):
        for defence in (NONE, *context.of_kind(RNA)):
            for tokens, line in (("forget", "-"), ("neutral", "--")):
                rows = table[(table["method"] == method) & (table["defence"] == defence) & (table["tokens"] == tokens)]
                if rows.empty:
                    continue
                rows = rows.sort_values("count")
                name = "reference" if method == REFERENCE else context.defence_label(defence)
                axes.errorbar(
                    rows["count"], rows["mean"], yerr=style.errors(rows), linestyle=line, markersize=3.5, linewidth=1.1,
                    color=style.cell_colour(context, method, defence), marker=style.marker(defence, context.defences),
                    label=f"{name}, {tokens} tokens",
                )  # fmt: skip
        axes.set_title("Reference" if method == REFERENCE else context.method_label(method))
        axes.set_xscale("symlog", base=2, linthresh=1)
        counts = sorted(table["count"].unique())
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("tokens before it")
        style.percent_axis(axes.yaxis)
        style.chance_line(axes, context.chance)
    panels[0][0].set_ylabel(f"retain {context.measured}")
    style.legend(figure, style.handles(panels[0]), ncols=min(3, 1 + int(widest)))
    return figure
