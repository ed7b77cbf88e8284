"""What attacks without gradient steps find: accuracy after each, and what it gained over the unattacked model."""

import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.config.cells import KIND, NONE

GAIN = ("gain", "gain_low", "gain_high")


def points(records: pandas.DataFrame) -> pandas.Series:
    """To which point of its attack each record belongs: the setting where it is a budget, empty where it was chosen.

    A budget is told by one cell having several settings at equal documents and steps, as bits of rounding are. What is
    chosen, a layer, is one in each cell and may differ between seeds: it must not part their answers.
    """
    budget = ["attack", "documents", "steps"]
    in_cell = records.groupby([*KIND, "seed", *budget])["setting"].transform("nunique")
    several = in_cell.groupby([records[name] for name in budget]).transform("max") > 1
    return records["setting"].where(several, "")


def attacks(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Accuracy of every role after each attack that takes no steps, one row a point of it.

    ``setting`` is the point, or what was chosen, with the seeds' choices in order where they differ. ``gain`` and its
    bounds are accuracy less the unattacked model's, paired on the same questions; the reference stands for every seed.
    """
    stepping = records.loc[records["steps"] > 0, "attack"].unique()
    chosen = records[(records["attack"] != NONE) & ~records["attack"].isin(stepping)]
    chosen = chosen.assign(point=points(chosen))
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain")]
    before = dict(list(unattacked.groupby([*KIND, "role"])))
    keys, rows = [*KIND, "attack", "role", "point"], []
    for values, part in chosen.groupby(keys, sort=False):
        named, level = dict(zip(keys, values, strict=True)), fact_matrix(part)
        settings = part.sort_values("seed")["setting"].unique()
        start = before[tuple(named[name] for name in (*KIND, "role"))]
        gain = bootstrap.difference(level, fact_matrix(start[start["question"].isin(part["question"].unique())]))
        named["setting"] = named.pop("point") or "; ".join(settings)
        gained = zip(GAIN, (gain.mean, gain.low, gain.high), strict=True)
        rows.append({**named, **vars(bootstrap.mean(level)), **dict(gained)})
    columns = [*KIND, "attack", "role", "setting", *Estimate.__dataclass_fields__, *GAIN]
    return pandas.DataFrame(rows, columns=columns).sort_values(
        [*KIND, "attack", "role"], kind="stable", ignore_index=True
    )
