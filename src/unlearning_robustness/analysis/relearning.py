"""Forget accuracy along an attack's budget, and how much its first steps bring back in each cell."""

import pandas

from unlearning_robustness.analysis.inputs import CELL, Inputs
from unlearning_robustness.analysis.intervals import estimates
from unlearning_robustness.config.cells import KIND, PLACE, REFERENCE

READS = ("answers", "attacked", "measures")
SETTINGS = ()


def relearning(inputs: Inputs) -> pandas.DataFrame:
    """Forget accuracy along every attack's budget; zero steps is the unlearned model on the same questions."""
    keys = [*KIND, "attack", "documents", "steps"]
    stepped = inputs.attacked[(inputs.attacked["role"] == "forget") & (inputs.attacked["steps"] > 0)]
    asked = stepped[[*PLACE, "question"]].drop_duplicates()
    runs = stepped[[*KIND, "attack", "documents"]].drop_duplicates()
    start = inputs.plain.merge(asked, on=[*PLACE, "question"]).drop(columns=["attack", "documents"])
    start = start.merge(runs, on=KIND).assign(steps=0)
    table = pandas.concat([estimates(part, keys, inputs.intervals) for part in (stepped, start)], ignore_index=True)
    return table.sort_values(keys, ignore_index=True)


def early_answers(inputs: Inputs) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Answers to the forget questions before and after the first steps of the main attack, with most documents."""
    attack, steps = inputs.analysis["attack"], inputs.analysis["early_steps"]
    records = inputs.attacked
    early = records[(records["attack"] == attack) & (records["role"] == "forget") & (records["steps"] == steps)]
    early = early[early["documents"] == early["documents"].max()]
    return inputs.plain[inputs.plain["question"].isin(early["question"].unique())], early


def early_recovery(inputs: Inputs) -> pandas.DataFrame:
    """Per cell: the weight change, and the accuracy gained in the first steps of the main attack, with most documents.

    ``analysis.attack`` and ``analysis.early_steps`` name the attack and the number of steps.
    """
    plain, early = early_answers(inputs)
    after = early.groupby(CELL)["value"].mean().rename("after").reset_index()
    before = plain.groupby(CELL)["value"].mean().rename("before").reset_index()
    table = after.merge(before, on=CELL).merge(inputs.recorded["measures"][[*CELL, "weight_change"]], on=CELL)
    table = table[table["method"] != REFERENCE]
    return table.assign(steps=inputs.analysis["early_steps"], gain=table["after"] - table["before"])
