"""The claims register: sentences of the papers, each with the measurement and the rule that decide it.

Rules stand in the configuration, written before the study is run. A rule looks at the 95 % interval of an effect:
``above`` (or ``below``) zero is reproduced when the whole interval is, and not reproduced when the interval leaves no
room for an effect of ``least``; ``within`` ``least`` of zero is reproduced when the whole interval is, and not
reproduced when none of it is. Everything else is inconclusive.
"""

import pandas

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown

LABEL = "claims register"
CAPTION = (
    "Every claim of the paper as a sentence, with the measurement and the rule that decide it, fixed before the study "
    "ran, and the effect with its 95 % interval for every subject."
)
# The tables that the study's claims name.
READS = "claims"
BESIDE = ()
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
COLUMNS = ["claim", "verdict", "subject", "decided", "mean", "low", "high"]


def decide(expects: str, least: float, low: float, high: float) -> str:
    """The verdict on one effect with interval [low, high], all in the effect's unit."""
    if expects == "within":
        inside, outside = -least < low and high < least, low >= least or high <= -least
        return REPRODUCED if inside else NOT_REPRODUCED if outside else INCONCLUSIVE
    if expects == "below":
        low, high = -high, -low
    return REPRODUCED if low > 0 else NOT_REPRODUCED if high < least else INCONCLUSIVE


def overall(verdicts: list[str]) -> str:
    """Of a claim about several subjects: reproduced if for all of them, not reproduced as soon as for one not."""
    if verdicts and all(verdict == REPRODUCED for verdict in verdicts):
        return REPRODUCED
    return NOT_REPRODUCED if NOT_REPRODUCED in verdicts else INCONCLUSIVE


def measured(claim: dict, name: str, tables: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """The rows of the table that a claim is about, less what it is compared with.

    Raises ConfigError when the claim names a column that is not there.
    """
    rows = tables[claim["table"]]
    for column, values in claim["where"].items():
        if rows.empty:
            break
        if column not in rows:
            raise ConfigError(f"claims.{name}.where: table {claim['table']} has no column {column!r}")
        rows = rows[rows[column].isin(values if isinstance(values, list) else [values])]
    if rows.empty:
        return rows
    return rows.assign(**{column: rows[column] - claim["minus"] for column in ("mean", "low", "high")})


def register(claims: dict[str, dict], tables: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """One row a (claim, subject) with its effect and verdict; a claim without a measurement is inconclusive."""
    parts = []
    for name, claim in claims.items():
        rows = measured(claim, name, tables)
        verdicts = [decide(claim["expects"], claim["least"], row["low"], row["high"]) for _, row in rows.iterrows()]
        verdict = overall(verdicts)
        if not verdicts:
            parts.append({"claim": name, "verdict": verdict, "subject": "not measured", "decided": INCONCLUSIVE})
        for (_, row), decided in zip(rows.iterrows(), verdicts, strict=True):
            subject = ", ".join(str(row[column]) for column in claim["each"])
            effect = {column: row[column] for column in ("mean", "low", "high")}
            parts.append({"claim": name, "verdict": verdict, "subject": subject, "decided": decided, **effect})
    return pandas.DataFrame(parts, columns=COLUMNS)


def rule_in_words(claim: dict) -> str:
    """The decision rule as a sentence."""
    where = ", ".join(f"{column} = {value}" for column, value in claim["where"].items())
    beyond = f" less {claim['minus']:g}" if claim["minus"] else ""
    expects = f"within ± {claim['least']:g} of zero" if claim["expects"] == "within" else (
        f"{claim['expects']} zero, where an effect under {claim['least']:g} would not matter")  # fmt: skip
    return f"table `{claim['table']}` ({where}){beyond}: {expects}"


def page(context: ReportContext) -> str:
    """The register of the study's claims: a summary, then every claim with what decided it."""
    claims = context.settings["claims"]
    table = register(claims, context.tables)
    verdicts = table.drop_duplicates("claim").set_index("claim")["verdict"]
    counts = ", ".join(f"{(verdicts == verdict).sum()} {verdict}" for verdict in
                       (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE))  # fmt: skip
    parts = [
        "# Claims register",
        "",
        f"{len(claims)} claims: {counts}. A claim about several subjects is reproduced only if it is for each of them. "
        "Rules were written before the study was run, but where a claim's source says otherwise.",
        "",
    ]
    for name, claim in claims.items():
        rows = table[table["claim"] == name]
        parts += [
            f"## {verdicts[name]}: {claim['statement']}",
            "",
            f"- Source: {claim['source']}.",
            f"- Decided by {rule_in_words(claim)}.",
            "",
            markdown(rows[["subject", "mean", "low", "high", "decided"]]),
        ]
    return "\n".join(parts)
