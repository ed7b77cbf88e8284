"""The claims register: sentences of the papers, each with the measurement and the rule that decide it.

Rules stand in the configuration, written before the study is run; the register is the study's family of comparisons. A
claim is decided by its effect pooled over its subjects, with the p-values of all claims corrected by Holm
(``analysis.decisions``); a subject of its own decides nothing, but where one shows the opposite the claim stays open.
There is no verdict on an attack that failed its teaching control (``analysis.attack_validity``).
"""

from collections.abc import Iterable, Iterator
from math import inf

import pandas
from scipy.special import ndtri

from unlearning_robustness.analysis.attack_validity import failed_controls
from unlearning_robustness.analysis.decisions import (
    LEVEL,
    NOT_REPRODUCED,
    REPRODUCED,
    SMALLER,
    UNDECIDED,
    Effect,
    Rule,
    disagreeing,
)
from unlearning_robustness.analysis.significance import holm, rows_where
from unlearning_robustness.config.cells import REFERENCE
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown

FAILED = "the attack failed its teaching control on"
LABEL = "claims register"
CAPTION = (
    "Every claim of the paper as a sentence, with the measurement and the rule that decide it, fixed before the study "
    "ran, the effect of all subjects together and of each with its 95 % interval, and the smallest one that is shown."
)
# The tables that the study's claims name, what is pooled of them, and which attacks are valid.
READS = "claims"
BESIDE = ()
POOLED, NOT_MEASURED, NO_VERDICT = "all together", "not measured", "no verdict"
EFFECT = ["mean", "low", "high"]
COLUMNS = ["claim", "verdict", "why", "subject", "decided", *EFFECT, "shows from", "seeds", "facts"]


def measured(claim: dict, name: str, tables: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """The rows of the table that a claim is about, less what it is compared with, with their error and freedom.

    Where a table has none, the error is that of a normal interval. Raises ConfigError when the claim names a column
    that is not there.
    """
    rows = rows_where(tables[claim["table"]], claim["where"], f"claims.{name}.where, table {claim['table']}")
    if rows.empty:
        return rows
    if unknown := [column for column in claim["each"] if column not in rows]:
        raise ConfigError(f"claims.{name}.each: the table {claim['table']} has no column {unknown[0]!r}; name another")
    half = (rows["high"] - rows["low"]) / 2 / ndtri(1 - LEVEL / 2)
    plain = {"error": half, "freedom": inf, "seeds": None, "facts": None}
    rows = rows.assign(**{column: value for column, value in plain.items() if column not in rows})
    rows = rows.assign(error=rows["error"].fillna(half), freedom=rows["freedom"].fillna(inf))
    return rows.assign(**{column: rows[column] - claim["minus"] for column in EFFECT})


def together(rows: pandas.DataFrame, name: str, tables: dict[str, pandas.DataFrame]) -> pandas.Series:
    """The effect of all subjects of a claim: that of the table ``pooled``, or the mean of theirs.

    The error of such a mean is the mean of the errors, as if they were the same chance: it is never too small.
    """
    pooled = tables["pooled"]
    own = pooled[pooled["claim"] == name] if len(pooled) else pooled
    if len(own):
        return own.iloc[0]
    trained = rows[rows["method"] != REFERENCE] if "method" in rows else rows
    seeds = (trained if len(trained) else rows)["seeds"].min()
    least = rows.assign(freedom=rows["freedom"].min(), seeds=seeds, facts=rows["facts"].min())
    return least[[*EFFECT, "error", "freedom", "seeds", "facts"]].astype(float).mean()


def register(claims: dict[str, dict], tables: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """One row a claim with all subjects together, then one a subject; a claim without a measurement is undecided."""
    rows = {name: measured(claim, name, tables) for name, claim in claims.items()}
    pooled = {name: together(part, name, tables) for name, part in rows.items() if len(part)}
    rules = {name: Rule(claim["expects"], claim["least"]) for name, claim in claims.items()}
    p_values = {name: rules[name].p_value(_effect(row)) for name, row in pooled.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    invalid, parts = failed_controls(tables["attack_validity"]), []
    for name, claim in claims.items():
        if name in pooled:
            decided = _decided(name, claim, rules[name], pooled[name], rows[name], adjusted[name], len(pooled))
            parts += _without_verdict(decided, claim, rows[name], invalid) if invalid else decided
        else:
            parts.append({"claim": name, "verdict": UNDECIDED, "why": NOT_MEASURED, "subject": NOT_MEASURED})
    return pandas.DataFrame(parts, columns=COLUMNS)


def subject_of(claim: dict, row: pandas.Series) -> str:
    """What a row of a claim's table is about."""
    return ", ".join(str(row[column]) for column in claim["each"])


def _decided(
    name: str, claim: dict, rule: Rule, pooled: pandas.Series, rows: pandas.DataFrame, p_value: float, claims: int
) -> Iterator[dict]:
    subjects = {subject_of(claim, row): row for _, row in rows.iterrows()}
    effects = {subject: _effect(row) for subject, row in subjects.items()}
    one_seed = _of_one_seed(pooled) and not (rows.get("method", pandas.Series(dtype=object)) == REFERENCE).all()
    verdict = average = UNDECIDED if one_seed else rule.decide(_effect(pooled), p_value=p_value)
    others = disagreeing(rule, verdict, effects)
    why = "one seed says nothing about others" if one_seed else ""
    if others:
        verdict, why = UNDECIDED, f"the opposite is shown for {'; '.join(others)}"
    smallest = inf if one_seed else rule.detectable(_effect(pooled), LEVEL / claims)
    head = {"claim": name, "verdict": verdict, "why": why}
    yield {**head, "subject": POOLED, "decided": average, **_numbers(pooled), "shows from": smallest}
    for subject, row in subjects.items():
        alone = _of_one_seed(row) and row.get("method") != REFERENCE
        decided = UNDECIDED if alone else rule.decide(effects[subject])
        smallest = inf if alone else rule.detectable(effects[subject])
        yield {**head, "subject": subject, "decided": decided, **_numbers(row), "shows from": smallest}


def _without_verdict(
    decided: Iterable[dict], claim: dict, rows: pandas.DataFrame, invalid: set[tuple[str, str, str]]
) -> Iterator[dict]:
    """The rows of a claim, without a verdict where the attack on one of its subjects failed."""
    failed = {subject_of(claim, row): _failed(row, invalid) for _, row in rows.iterrows()}
    cells = list(dict.fromkeys(cell for cells in failed.values() for cell in cells))
    why = {"verdict": NO_VERDICT, "why": f"{FAILED} {', '.join(cells)}"} if cells else {}
    for row in decided:
        nothing = cells if row["subject"] == POOLED else failed[row["subject"]]
        yield row | why | ({"decided": NO_VERDICT} if nothing else {})


def _failed(row: pandas.Series, invalid: set[tuple[str, str, str]]) -> list[str]:
    """The cells that a row is about whose attack failed: those of its defence, or of both that it compares."""
    attack = row.get("attack", row.get("column"))
    defences = [row[name] for name in ("defence", "first", "second") if name in row]
    return [f"{row['method']}/{name}" for name in defences if (row.get("method"), name, attack) in invalid]


def _effect(row: pandas.Series) -> Effect:
    return Effect(float(row["mean"]), float(row["error"]), float(row["freedom"]))


def _of_one_seed(row: pandas.Series) -> bool:
    return row["seeds"] == 1


def _numbers(row: pandas.Series) -> dict:
    return {column: row[column] for column in (*EFFECT, "seeds", "facts")}


def rule_in_words(claim: dict) -> str:
    """The decision rule as a sentence."""
    where = ", ".join(f"{column} = {value}" for column, value in claim["where"].items())
    beyond = f" less {claim['minus']:g}" if claim["minus"] else ""
    expects = f"within ± {claim['least']:g} of zero" if claim["expects"] == "within" else (
        f"{claim['expects']} zero, where an effect under {claim['least']:g} would not matter")  # fmt: skip
    return f"table `{claim['table']}` ({where}){beyond}: {expects}"


def verdict_in_words(claim: dict, row: pandas.Series) -> str:
    """The verdict on a claim by its row of all subjects: with the size or the numbers that it depends on."""
    if row["verdict"] == SMALLER:
        return f"{SMALLER} than {claim['least']:g}"
    if row["verdict"] == NO_VERDICT:
        return f"{NO_VERDICT}: {row['why']}"
    if row["verdict"] != UNDECIDED:
        return row["verdict"]
    if row["why"]:
        return f"{UNDECIDED}: {row['why']}"
    sizes = ", ".join(f"{row[part]:.0f} {part}" for part in ("seeds", "facts") if pandas.notna(row[part]))
    return f"{UNDECIDED} with {sizes or 'what was measured'}"


def page(context: ReportContext) -> str:
    """The register of the study's claims: a summary, then every claim with what decided it."""
    claims = context.settings["claims"]
    table = register(claims, context.every_measure)
    first = table.drop_duplicates("claim").set_index("claim")
    counts = ", ".join(f"{(first['verdict'] == verdict).sum()} {verdict}" for verdict in
                       (REPRODUCED, NOT_REPRODUCED, SMALLER, UNDECIDED, NO_VERDICT))  # fmt: skip
    parts = [
        "# Claims register",
        "",
        f"{len(claims)} claims: {counts}. The average over a claim's subjects decides it, corrected for the number of "
        "claims; a claim stays open where one of them shows the opposite. *Shows from* is the smallest effect that is "
        "shown with a chance of 80 % (for *within*: the smallest bound). Rules were written before the study was run, "
        "but where a claim's source says otherwise.",
        "",
    ]
    for name, claim in claims.items():
        rows = table[table["claim"] == name].astype({"seeds": "Int64", "facts": "Int64"})
        parts += [
            f"## {verdict_in_words(claim, first.loc[name])}: {claim['statement']}",
            "",
            f"- Source: {claim['source']}.",
            f"- Decided by {rule_in_words(claim)}.",
            "",
            markdown(rows[["subject", *EFFECT, "decided", "shows from", "seeds", "facts"]]),
        ]
    return "\n".join(parts)
