"""What every attack costs, point by point of its budget, and which share of what unlearning cost that is."""

import pandas

from unlearning_robustness.analysis.attacked import budget_points
from unlearning_robustness.analysis.inputs import CELL, SPENT, Inputs
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.scoring.records import BUDGET

READS = ("measures", "spent")
SETTINGS = ()
KEYS = [*KIND, "attack", *BUDGET, "point"]
COLUMNS = [*KEYS, *SPENT, "of_unlearning", "seeds"]


def attack_costs(inputs: Inputs) -> pandas.DataFrame:
    """One row a point of an attack on a kind of cell, means over seeds; scoring is not charged.

    ``point`` is the setting of attacks whose budget is no number of steps. ``of_unlearning`` is the operations as a
    share of those that unlearned the cell, missing for the reference.
    """
    spent, measures = inputs.recorded["spent"], inputs.recorded["measures"]
    if spent.empty:
        return pandas.DataFrame(columns=COLUMNS)
    table = spent.assign(point=budget_points(spent))
    unlearned = measures.reindex(columns=[*CELL, "operations"]).rename(columns={"operations": "unlearning"})
    table = table.merge(unlearned, on=CELL, how="left")
    table["of_unlearning"] = table["operations"] / table["unlearning"].where(table["unlearning"] > 0)
    groups = table.groupby(KEYS, sort=True)
    means = groups[[*SPENT, "of_unlearning"]].mean().assign(seeds=groups["seed"].nunique())
    return means.reset_index()[COLUMNS]
