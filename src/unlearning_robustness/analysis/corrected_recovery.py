"""What attacks bring back, less what the same attacks "bring back" to a model that never had it.

On the yardstick nothing can be recovered: what an attack gains there it has taught, or guessed. That is its false
positive rate, and the corrected recovery is what an attacked cell answers beyond it.
"""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.attacked import budget_points
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import effect_table, fact_matrix, paired
from unlearning_robustness.analysis.yardstick import yardstick_rows
from unlearning_robustness.config.cells import KIND, NONE

READS = ("answers", "attacked")
SETTINGS = ("defences",)
POINT = ["attack", "documents", "steps", "point"]
NAMES = [*KIND, *POINT, "quantity"]
# What the attack does to the yardstick itself; what a cell has beyond it, as a level and as a gain.
FALSE_POSITIVE, CORRECTED, CORRECTED_GAIN = "false_positive", "corrected", "corrected_gain"


def corrected_recovery(inputs: Inputs) -> pandas.DataFrame:
    """One row a kind of cell, point of an attack and quantity, paired by question and seed; none without a yardstick.

    ``false_positive``, of the yardstick alone: its forget answers under the attack less those without it.
    ``corrected``: the attacked cell less the attacked yardstick, at the same point of the same attack.
    ``corrected_gain``: what the attack adds to the cell less what it adds to the yardstick, so that a cell which was
    not at the yardstick's level before the attack gains nothing by it. ``point`` is the setting of attacks whose budget
    is no number of steps.
    """
    return effect_table(recovery_values(inputs), NAMES, inputs.intervals)


def recovery_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``corrected_recovery`` are means of: (names, values (seeds, facts))."""
    if not inputs.analysis.get("yardstick"):
        return
    records = inputs.attacked[inputs.attacked["role"] == "forget"]
    records = records.assign(point=budget_points(records))
    start = inputs.plain[(inputs.plain["role"] == "forget") & inputs.plain["question"].isin(records["question"])]
    before = {keys: fact_matrix(part) for keys, part in start.groupby(KIND)}
    for place, attacked in records.groupby(KIND[:2], sort=True):
        true = yardstick_rows(attacked, place, inputs)
        levels = {keys: fact_matrix(part) for keys, part in true.groupby(POINT, sort=False)}
        yardstick = (*place, inputs.analysis["yardstick"], NONE)
        for keys, part in attacked.groupby([*KIND, *POINT], sort=False):
            cell, point = keys[: len(KIND)], keys[len(KIND) :]
            if point not in levels:
                continue
            named, level = dict(zip(NAMES, keys, strict=False)), fact_matrix(part)
            gain = paired(level, before[cell])
            if cell == yardstick:
                yield {**named, "quantity": FALSE_POSITIVE}, gain
                continue
            yield {**named, "quantity": CORRECTED}, paired(level, levels[point])
            taught = paired(levels[point], before[yardstick])
            yield {**named, "quantity": CORRECTED_GAIN}, paired(gain, taught)
