"""How many tokens it takes: retain accuracy against the number of forget or neutral tokens before the question."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot

MOST_PANELS = 4


def draw(context: FigureContext):
    """One panel a method, the reference first; number of tokens across, accuracy on the same facts up."""
    table = context.tables["token_counts"]
    methods = [name for name in ("reference", *context.methods()) if name in set(table["method"])] if len(table) else []
    if not methods or table["count"].nunique() < 3:
        return style.nothing("This study asks with one number of tokens.")
    widest = table.groupby("method")["defence"].nunique().max()
    # Those whose latents are measured stand for their families.
    measured = {name for grid in context.config["study"]["latents"] for name in grid["methods"]}
    methods = ([name for name in methods if name in measured] or methods)[:MOST_PANELS]
    figure, panels = pyplot.subplots(
        1, len(methods), figsize=(0.8 + 1.9 * len(methods), 2.9), sharey=True, squeeze=False
    )
    for axes, method in zip(panels[0], methods, strict=True):
        for defence in ("none", "rna"):
            for tokens, line in (("forget", "-"), ("neutral", "--")):
                rows = table[(table["method"] == method) & (table["defence"] == defence) & (table["tokens"] == tokens)]
                if rows.empty:
                    continue
                rows = rows.sort_values("count")
                colour = style.REFERENCE_COLOUR if method == "reference" else style.colour(defence, context.defences)
                name = "reference" if method == "reference" else style.defence_label(defence, context.defences)
                axes.errorbar(
                    rows["count"], rows["mean"], yerr=style.errors(rows), color=colour, linestyle=line, markersize=3.5,
                    marker=style.marker(defence, context.defences), linewidth=1.1, label=f"{name}, {tokens} tokens",
                )  # fmt: skip
        axes.set_title("Reference" if method == "reference" else context.method_label(method))
        axes.set_xscale("symlog", base=2, linthresh=1)
        counts = sorted(table["count"].unique())
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("tokens before it")
        style.percent_axis(axes.yaxis)
        style.chance_line(axes, context.chance)
    panels[0][0].set_ylabel("retain accuracy")
    named = {}
    for axes in panels[0]:
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=min(3, 1 + int(widest)))
    return figure
