"""Whether sharp minima give more back, in words."""

from unlearning_robustness.analysis.sharpness import NOTHING, START
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import coefficient, verdict

READINGS = "a sharper minimum gives more back", "a sharper minimum gives less back", "nothing is shown"


def sharpness(context: ReportContext) -> list[str]:
    """The ascent gap at its largest radius, one line a method: over all its cells, and at equal start."""
    table, lines = context.tables["sharpness_correlations"], []
    gaps = table[table["statistic"] == "sam_gap"]
    for method, rows in gaps[gaps["at"] == gaps["at"].max()].groupby("method", sort=False):
        by_given = rows.set_index("given")
        over_all = by_given.loc[NOTHING]
        line = (
            f"{context.method_label(method)}: over {over_all['cells']} cells the ascent gap and the accuracy regained "
            f"have a rank correlation of {coefficient(over_all)}: {verdict(over_all, *READINGS)}."
        )
        if START in by_given.index:
            equal = by_given.loc[START]
            line += (
                f" At equal forget accuracy before the attack it is {coefficient(equal)}: {verdict(equal, *READINGS)}."
            )
        lines.append(line)
    return lines
