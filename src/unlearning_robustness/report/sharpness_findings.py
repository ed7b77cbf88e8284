"""Whether sharp minima give more back, in words."""

from collections.abc import Callable

import pandas

from unlearning_robustness.analysis.sharpness import NOTHING, START
from unlearning_robustness.report.words import coefficient, verdict

READINGS = "a sharper minimum gives more back", "a sharper minimum gives less back", "nothing is shown"


def sharpness_sentences(correlations: pandas.DataFrame, label: Callable[[str], str]) -> list[str]:
    """The ascent gap at its largest radius, one line a method: over all its cells, and at equal start."""
    lines, gaps = [], correlations[correlations["statistic"] == "sam_gap"]
    for method, rows in gaps[gaps["at"] == gaps["at"].max()].groupby("method", sort=False):
        told = rows.set_index("given")
        plainly = told.loc[NOTHING]
        line = (
            f"{label(method)}: over {plainly['cells']} cells the ascent gap and the accuracy regained have a rank "
            f"correlation of {coefficient(plainly)}: {verdict(plainly, *READINGS)}."
        )
        if START in told.index:
            equal = told.loc[START]
            line += (
                f" At equal forget accuracy before the attack it is {coefficient(equal)}: {verdict(equal, *READINGS)}."
            )
        lines.append(line)
    return lines
