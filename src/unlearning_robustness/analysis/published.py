"""Published numbers beside ours, one row each: a comparison to read, never a test of the code."""

import pandas

from unlearning_robustness.analysis.attacks import points
from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.config.cells import KIND, NONE

# What an entry may say of a model that was not attacked.
UNATTACKED = ("role", "probe", "relation")
YES, NO, NOT_RUN, SEVERAL = "yes", "no", "not run", "several budgets"
COLUMNS = [
    *KIND, "entry", "quantity", "theirs", "tolerance", "mean", "low", "high", "difference", "within", "source"
]  # fmt: skip


def published(records: pandas.DataFrame, expected: dict[str, dict], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """One row a published number: theirs, ours with its interval, ours less theirs.

    ``within`` says whether theirs lies inside our interval widened by the entry's tolerance on both sides; what the
    records do not hold is "not run". All in the unit of accuracies, shares.
    """
    rows = []
    for name, entry in expected.items():
        asked = _asked(records, entry, entry["of"]["attack"])
        row = {column: entry[column] for column in KIND}
        row |= {"entry": name, "quantity": in_words(entry), "theirs": entry["value"], "tolerance": entry["tolerance"]}
        row |= {"source": source_in_words(entry["source"])}
        if asked.empty:
            row["within"] = NOT_RUN
        elif asked.groupby(["documents", "steps"]).ngroups > 1 or points(asked).nunique() > 1:
            row["within"] = SEVERAL
        else:
            ours = _ours(records, entry, asked, bootstrap)
            inside = ours.low - entry["tolerance"] <= entry["value"] <= ours.high + entry["tolerance"]
            row |= {"mean": ours.mean, "low": ours.low, "high": ours.high}
            row |= {"difference": ours.mean - entry["value"], "within": YES if inside else NO}
        rows.append(row)
    return pandas.DataFrame(rows, columns=COLUMNS)


def _asked(records: pandas.DataFrame, entry: dict, attack: str) -> pandas.DataFrame:
    """The records that an entry is about; of an attack the budget that it names, asked plainly."""
    of = entry["of"] if attack != NONE else {key: entry["of"][key] for key in entry["of"] if key in UNATTACKED}
    wanted = {**{column: entry[column] for column in KIND}, **of, "attack": attack}
    chosen = pandas.Series(True, index=records.index)
    for column, value in wanted.items():
        chosen &= records[column] == value
    return records[chosen]


def _ours(records: pandas.DataFrame, entry: dict, asked: pandas.DataFrame, bootstrap: CrossedBootstrap) -> Estimate:
    if entry["quantity"] == "accuracy":
        return bootstrap.mean(fact_matrix(asked))
    before = _asked(records, entry, NONE)
    before = before[before["question"].isin(asked["question"].unique())]
    return bootstrap.difference(fact_matrix(asked), fact_matrix(before))


def in_words(entry: dict) -> str:
    """What was measured: "forget accuracy, biology, after relearn-once (10 steps)"."""
    of = entry["of"]
    parts = [f"{of['role']} accuracy" if entry["quantity"] == "accuracy" else f"gain in {of['role']} accuracy"]
    parts += [of["relation"]] if "relation" in of else []
    parts += [of["probe"]] if of["probe"] != "plain" else []
    if of["attack"] != NONE:
        budget = ", ".join(f"{of[part]} {part}" for part in ("documents", "steps") if part in of)
        parts.append(f"after {of['attack']}" + (f" ({budget})" if budget else ""))
    return ", ".join(parts)


def source_in_words(source: dict) -> str:
    """Paper, place and what the reader must know of it."""
    return f"{source['paper']}, {source['place']}" + (f" ({source['note']})" if source["note"] else "")
