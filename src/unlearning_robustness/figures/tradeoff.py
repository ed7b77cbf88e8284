"""Forgetting against robustness: where each method stands, and where the defence moves it."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.context import FigureContext
from unlearning_robustness.figures.style import pyplot

HEADLINE = "rna"


def draw(context: FigureContext):
    """Forget accuracy across (left is better), retain accuracy under a forget token up; an arrow plain to RNA."""
    probes, accuracy = context.probes, context.tables["accuracy"]
    forget = accuracy[(accuracy["role"] == "forget") & (accuracy["probe"] == probes["baseline"])]
    token = accuracy[(accuracy["role"] == "retain") & (accuracy["probe"] == probes["forget_token"])]
    points = forget.merge(token, on=["method", "defence"], suffixes=("_forget", "_token")).set_index(
        ["method", "defence"]
    )
    # Few methods are named where they stand, many in a legend of markers.
    direct = len(context.methods()) <= 4
    figure, axes = pyplot.subplots(figsize=(5.4, 4.0) if direct else (6.8, 4.4))
    for number, method in enumerate(context.methods()):
        for defence in ("none", HEADLINE, "early-stop", "gradient-noise"):
            if (method, defence) not in points.index:
                continue
            row = points.loc[(method, defence)]
            axes.errorbar(
                row["mean_forget"], row["mean_token"],
                xerr=[[row["mean_forget"] - row["low_forget"]], [row["high_forget"] - row["mean_forget"]]],
                yerr=[[row["mean_token"] - row["low_token"]], [row["high_token"] - row["mean_token"]]],
                marker=style.METHOD_MARKERS[number], color=style.colour(defence, context.defences), markersize=7,
                linewidth=0.7, linestyle="none",
            )  # fmt: skip
        if {(method, "none"), (method, HEADLINE)} <= set(points.index):
            start, end = points.loc[(method, "none")], points.loc[(method, HEADLINE)]
            axes.annotate(
                "", xy=(end["mean_forget"], end["mean_token"]), xytext=(start["mean_forget"], start["mean_token"]),
                arrowprops={"arrowstyle": "->", "color": "#555555", "shrinkA": 6, "shrinkB": 6},
            )  # fmt: skip
            if direct:
                axes.annotate(
                    context.method_label(method), (start["mean_forget"], start["mean_token"]), xytext=(9, -13),
                    textcoords="offset points", fontsize=9,
                )  # fmt: skip
    if ("reference", "none") in points.index:
        row = points.loc[("reference", "none")]
        axes.plot(row["mean_forget"], row["mean_token"], marker="*", color=style.REFERENCE_COLOUR, markersize=11)
        axes.annotate("reference", (row["mean_forget"], row["mean_token"]), xytext=(-8, -14),
                      textcoords="offset points", ha="right")  # fmt: skip
    style.chance_line(axes, context.chance, horizontal=False)
    axes.annotate("chance", (context.chance, axes.get_ylim()[0]), xytext=(3, 3), textcoords="offset points",
                  color=style.CHANCE_COLOUR)  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        style.percent_axis(axis)
    axes.set_xlabel("forget accuracy (lower is better)")
    axes.set_ylabel("retain accuracy with a forget token")
    present = [
        name
        for name in ("none", HEADLINE, "early-stop", "gradient-noise")
        if name in set(points.reset_index()["defence"])
    ]
    handles = [
        pyplot.Line2D([], [], marker="o", linestyle="none", color=style.colour(name, context.defences))
        for name in present
    ]
    figure.legend(handles, [style.defence_label(name, context.defences) for name in present],
                  loc="outside lower center", ncols=4)  # fmt: skip
    if not direct:
        markers = [
            pyplot.Line2D([], [], marker=style.METHOD_MARKERS[number], linestyle="none", color="#555555")
            for number, _ in enumerate(context.methods())
        ]
        figure.legend(markers, [context.method_label(name) for name in context.methods()], loc="outside right upper")
    return figure
