"""Accuracy after attacks: of those that take no gradient steps, and between defences under every attack."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, effect_table, fact_matrix
from unlearning_robustness.analysis.pairs import paired_differences
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers", "attacked")
SETTINGS = ("defences",)
POINT = [*PLACE, "method", "attack", "documents", "steps", "point"]
GAIN = ("gain", "gain_low", "gain_high")


def budget_points(records: pandas.DataFrame) -> pandas.Series:
    """To which point of its attack each record belongs: the setting where it is a budget, empty where it was chosen.

    Settings are a budget where one cell has several of them at equal documents and steps, as bits of rounding are. What
    is chosen, a layer, is one in each cell and may differ between seeds: it must not part their answers.
    """
    budget = ["attack", "documents", "steps"]
    in_cell = records.groupby([*KIND, "seed", *budget])["setting"].transform("nunique")
    several = in_cell.groupby([records[name] for name in budget]).transform("max") > 1
    return records["setting"].where(several, "")


def attacks(inputs: Inputs) -> pandas.DataFrame:
    """Accuracy of every role after each attack that takes no steps, one row a point of it.

    ``setting`` is the point, or what was chosen, with the seeds' choices in order where they differ. ``gain`` and its
    bounds are accuracy less the unattacked model's, paired on the same questions; the reference stands for every seed.
    """
    records, intervals = inputs.attacked, inputs.intervals
    records = records[~records["attack"].isin(records.loc[records["steps"] > 0, "attack"].unique())]
    records = records.assign(point=budget_points(records))
    before = dict(list(inputs.plain.groupby([*KIND, "role"])))
    keys, rows = [*KIND, "attack", "role", "point"], []
    for values, part in records.groupby(keys, sort=False):
        named, level = dict(zip(keys, values, strict=True)), fact_matrix(part)
        settings = part.sort_values("seed")["setting"].unique()
        start = before[tuple(named[name] for name in (*KIND, "role"))]
        gain = intervals.difference(level, fact_matrix(start[start["question"].isin(part["question"].unique())]))
        named["setting"] = named.pop("point") or "; ".join(settings)
        gained = zip(GAIN, (gain.mean, gain.low, gain.high), strict=True)
        rows.append({**named, **vars(intervals.share(level)), **dict(gained)})
    columns = [*KIND, "attack", "role", "setting", *Estimate.__dataclass_fields__, *GAIN]
    return pandas.DataFrame(rows, columns=columns).sort_values(
        [*KIND, "attack", "role"], kind="stable", ignore_index=True
    )


def attacked_differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences between defences of one method at each point of each attack.

    ``quantity`` is ``level``, the forget accuracy, or ``gain``, that accuracy less the unattacked one on the same
    questions: a model that merely forgot less has a higher level, not a higher gain. ``point`` is the setting of
    attacks whose budget is no number of steps.
    """
    return effect_table(attacked_values(inputs), [*POINT, "quantity", "first", "second"], inputs.intervals)


def attacked_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``attacked_differences`` are means of: (names, values (seeds, facts))."""
    records = inputs.attacked[inputs.attacked["role"] == "forget"]
    records = records.assign(point=budget_points(records))
    start = inputs.plain[inputs.plain["question"].isin(records["question"].unique())]
    before = {key: fact_matrix(part) for key, part in start.groupby([*PLACE, "method", "defence"])}
    for values, part in records.groupby(POINT, sort=True):
        levels = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        gains = {defence: _gain(level, before[(*values[:3], defence)]) for defence, level in levels.items()}
        for quantity, matrices in (("level", levels), ("gain", gains)):
            named = {**dict(zip(POINT, values, strict=True)), "quantity": quantity}
            yield from paired_differences(matrices, inputs.pairs, named)


def _gain(level: pandas.DataFrame, start: pandas.DataFrame) -> pandas.DataFrame:
    """Accuracy above the start; a start of one row (the reference) is that of every seed."""
    return level - (start.iloc[0] if len(start) == 1 else start.loc[level.index])
