"""What every attack costs, point by point of its budget, and which share of what unlearning cost that is."""

from collections.abc import Iterable
from pathlib import Path

import pandas

from unlearning_robustness.analysis.attacks import points
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.scoring.records import BUDGET, read_measures

SPENT = ["seconds", "forwards", "backwards", "tokens", "operations"]
KEYS = [*KIND, "attack", *BUDGET, "point"]
READ = [*KIND, "seed", "attack", *BUDGET, "setting", *SPENT]
COLUMNS = [*KEYS, *SPENT, "of_unlearning", "seeds"]


def read_attack_costs(paths: Iterable[str | Path]) -> pandas.DataFrame:
    """One row a point of ``records/CELL/ATTACK/manifest.json`` files; those of older runs have none."""
    rows = [
        {**{name: entry[name] for name in (*KIND, "seed")}, "attack": path.parent.name, **point}
        for path in map(Path, paths)
        for entry in read_measures([path])
        for point in entry.get("points", [])
    ]
    return pandas.DataFrame(rows, columns=READ)


def attack_costs(spent: pandas.DataFrame, measures: pandas.DataFrame) -> pandas.DataFrame:
    """One row a point of an attack on a kind of cell, means over seeds; scoring is not charged.

    ``point`` is the setting of attacks whose budget is no number of steps. ``of_unlearning`` is the operations as a
    share of those that unlearned the cell, missing for the reference.
    """
    if spent.empty:
        return pandas.DataFrame(columns=COLUMNS)
    table = spent.assign(point=points(spent))
    unlearned = measures.reindex(columns=[*KIND, "seed", "operations"]).rename(columns={"operations": "unlearning"})
    table = table.merge(unlearned, on=[*KIND, "seed"], how="left")
    table["of_unlearning"] = table["operations"] / table["unlearning"].where(table["unlearning"] > 0)
    groups = table.groupby(KEYS, sort=True)
    means = groups[[*SPENT, "of_unlearning"]].mean().assign(seeds=groups["seed"].nunique())
    return means.reset_index()[COLUMNS]
