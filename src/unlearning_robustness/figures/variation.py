"""When does a forget token harm, and when do RNA and StableUN help? Models that differ in one property each."""

from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.variation_findings import HARM, KEPT, REPAIR, varied

READS = ("token_effects", "differences", "attacked_differences")
SETTINGS = ("variation", "headline")
CAPTION = (
    "Each row is a model; rows of a block differ in one property. Left: what a forget token before a retain question "
    "costs beyond a neutral one. Middle: what RNA adds to accuracy behind a forget token. Right: how much less "
    "relearning brings back with StableUN. Points of questions with 95 % intervals; at zero there is no effect."
)
UNVARIED = "The models of this study are not varied (study.variation)."
PANELS = {HARM: "A forget token harms", REPAIR: "RNA repairs", KEPT: "StableUN keeps away"}
# Free space between two blocks, in rows, and between two methods of a row.
GAP, STEP = 0.8, 0.22


def draw(context: ReportContext):
    """One block a property, one row a level, one point a method; one panel a question."""
    table = varied(context)
    if table.empty:
        return style.nothing(UNVARIED)
    rows = table[["property", "level"]].drop_duplicates().itertuples(index=False, name=None)
    places, properties = {}, []
    for name, level in rows:
        properties += [name] if name not in properties else []
        places[name, level] = len(places) + GAP * len(properties)
    methods = [method for method in context.every_method() if method in set(table["method"])]
    figure, panels = pyplot.subplots(
        1, len(PANELS), figsize=(style.WIDTH + 1, 1.2 + 0.3 * (len(places) + GAP)), sharey=True
    )
    for axes, (quantity, title) in zip(panels, PANELS.items(), strict=True):
        axes.axvline(0, color=style.CHANCE_COLOUR, linestyle=":", linewidth=1, zorder=1)
        for number, method in enumerate(methods):
            part = table[(table["quantity"] == quantity) & (table["method"] == method)]
            at = [places[pair] for pair in zip(part["property"], part["level"], strict=True)]
            axes.errorbar(
                100 * part["mean"], [place + (number - (len(methods) - 1) / 2) * STEP for place in at],
                xerr=[100 * side for side in style.errors(part)], linestyle="none", markersize=4, linewidth=1,
                marker=style.METHOD_MARKERS[number], color=style.METHOD_COLOURS[number],
                label=context.method_label(method),
            )  # fmt: skip
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel("points")
    for name in properties:
        first = min(place for (other, _), place in places.items() if other == name)
        beside = {"xycoords": panels[0].get_yaxis_transform(), "va": "center", "fontweight": "bold"}
        panels[0].annotate(name, (0, first - 0.62), fontsize=8, **beside)
    panels[0].set_yticks(list(places.values()), [level for _, level in places])
    panels[0].set_ylim(max(places.values()) + 0.6, -0.2)
    style.legend(figure, style.handles(panels), ncols=4)
    return figure
