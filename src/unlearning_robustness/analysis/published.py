"""Published numbers beside ours, one row each: a comparison to read, never a test of the code."""

import pandas

from unlearning_robustness.analysis.attacked import budget_points
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, fact_matrix
from unlearning_robustness.config.cells import KIND, NONE

READS = ("answers", "attacked")
SETTINGS = ("expected",)
# What an entry may say of a model that was not attacked.
UNATTACKED = ("role", "probe", "relation")
YES, NO, NOT_RUN, SEVERAL = "yes", "no", "not run", "several budgets"
COLUMNS = [
    *KIND, "entry", "quantity", "theirs", "tolerance", "mean", "low", "high", "difference", "within", "source"
]  # fmt: skip


def published(inputs: Inputs) -> pandas.DataFrame:
    """One row a published number: theirs, ours with its interval, ours less theirs.

    ``within`` says whether theirs lies inside our interval widened by the entry's tolerance on both sides; what the
    records do not hold is "not run". All in the unit of accuracies, shares.
    """
    rows = []
    for name, entry in inputs.settings["expected"].items():
        asked = _asked(inputs, entry, entry["of"]["attack"])
        row = {column: entry[column] for column in KIND}
        row |= {"entry": name, "quantity": in_words(entry, inputs.probes[0])}
        row |= {"theirs": entry["value"], "tolerance": entry["tolerance"], "source": source_in_words(entry["source"])}
        if asked.empty:
            row["within"] = NOT_RUN
        elif asked.groupby(["documents", "steps"]).ngroups > 1 or budget_points(asked).nunique() > 1:
            row["within"] = SEVERAL
        else:
            ours = _ours(inputs, entry, asked)
            inside = ours.low - entry["tolerance"] <= entry["value"] <= ours.high + entry["tolerance"]
            row |= {"mean": ours.mean, "low": ours.low, "high": ours.high}
            row |= {"difference": ours.mean - entry["value"], "within": YES if inside else NO}
        rows.append(row)
    return pandas.DataFrame(rows, columns=COLUMNS)


def _asked(inputs: Inputs, entry: dict, attack: str) -> pandas.DataFrame:
    """The records that an entry is about: its probe without an attack, or the attack's budget that it names."""
    of = {**entry["of"], "attack": attack}
    if attack == NONE:
        of = {"probe": inputs.probes[0]} | {key: of[key] for key in of if key in UNATTACKED}
    else:
        # Attacks ask plainly.
        of.pop("probe", None)
    records = inputs.unattacked if attack == NONE else inputs.attacked
    for column, value in {**{column: entry[column] for column in KIND}, **of}.items():
        records = records[records[column] == value]
    return records


def _ours(inputs: Inputs, entry: dict, asked: pandas.DataFrame) -> Estimate:
    if entry["quantity"] == "accuracy":
        return inputs.intervals.share(fact_matrix(asked))
    before = _asked(inputs, entry, NONE)
    before = before[before["question"].isin(asked["question"].unique())]
    return inputs.intervals.difference(fact_matrix(asked), fact_matrix(before))


def in_words(entry: dict, plain: str) -> str:
    """What was measured: "forget accuracy, biology, after relearn-once (10 steps)"; ``plain`` is the plain probe."""
    of = entry["of"]
    parts = [f"{of['role']} accuracy" if entry["quantity"] == "accuracy" else f"gain in {of['role']} accuracy"]
    parts += [of["relation"]] if "relation" in of else []
    parts += [of["probe"]] if of.get("probe", plain) != plain else []
    if of["attack"] != NONE:
        budget = ", ".join(f"{of[part]} {part}" for part in ("documents", "steps") if part in of)
        parts.append(f"after {of['attack']}" + (f" ({budget})" if budget else ""))
    return ", ".join(parts)


def source_in_words(source: dict) -> str:
    """Paper, place and what else the reader must know."""
    return f"{source['paper']}, {source['place']}" + (f" ({source['note']})" if source["note"] else "")
