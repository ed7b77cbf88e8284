"""Two studies of the same claims side by side: where they agree, where they do not, and which of them can tell.

A study with much power, such as a generated world, and one of a real model check each other: what both decide alike is
believed. Nothing is tested anew here; verdicts are those of each study's own register (``report.claims``).
"""

import math

import pandas

from unlearning_robustness.analysis.decisions import NOT_REPRODUCED, REPRODUCED, SMALLER
from unlearning_robustness.report.claims import NOT_MEASURED, POOLED
from unlearning_robustness.report.markup import markdown

AGREE, DISAGREE, ONLY, NEITHER = "agree", "disagree", "only {} can tell", "neither can tell"
# Both deny the claim, one by the opposite sign and one by an effect that is too small to matter.
DENIED = {NOT_REPRODUCED, SMALLER}
SIDES = ("first", "second")
NUMBERS = ("mean", "low", "high", "shows from", "seeds", "facts")
COLUMNS = ["claim", "statement", *(f"{side} {name}" for side in SIDES for name in ("verdict", *NUMBERS)), "relation",
           "likeliest reason"]  # fmt: skip


def comparison(
    names: tuple[str, str], claims: tuple[dict, dict], registers: tuple[pandas.DataFrame, pandas.DataFrame]
) -> pandas.DataFrame:
    """One row a claim that both studies register, in the order of the first.

    ``names`` are what the studies are called, ``claims`` their entries by id, ``registers`` what ``claims.register``
    gives. ``relation`` is one of ``AGREE``, ``DISAGREE``, ``ONLY`` and ``NEITHER``; the reason is read from effects,
    intervals and what each study can show. Two denials agree: the opposite effect, and none that matters.
    """
    pooled = [table.drop_duplicates("claim").set_index("claim") for table in registers]
    rows = []
    for claim, entry in claims[0].items():
        if claim not in claims[1]:
            continue
        sides = [table.loc[claim] for table in pooled]
        row = {"claim": claim, "statement": entry["statement"]}
        for side, numbers in zip(SIDES, sides, strict=True):
            row |= {f"{side} verdict": numbers["verdict"], **{f"{side} {name}": numbers[name] for name in NUMBERS}}
        relation = _relation(names, sides)
        rules = [{key: value for key, value in own[claim].items() if key in ("expects", "least")} for own in claims]
        reason = _reason(names, sides, _in_one_alone(claim, registers))
        reason = reason if rules[0] == rules[1] else "the rules differ: expects or least"
        rows.append({**row, "relation": relation, "likeliest reason": "" if relation == AGREE else reason})
    return pandas.DataFrame(rows, columns=COLUMNS)


def _relation(names: tuple[str, str], sides: list[pandas.Series]) -> str:
    decided = [side["verdict"] in (REPRODUCED, *DENIED) for side in sides]
    if not any(decided):
        return NEITHER
    if not all(decided):
        return ONLY.format(names[decided.index(True)])
    return AGREE if (sides[0]["verdict"] in DENIED) == (sides[1]["verdict"] in DENIED) else DISAGREE


def _in_one_alone(claim: str, registers: tuple[pandas.DataFrame, pandas.DataFrame]) -> str:
    """The subjects of a claim that one study has and the other one has not, as the end of a reason."""
    first, second = (set(table.loc[table["claim"] == claim, "subject"]) for table in registers)
    alone = sorted((first ^ second) - {POOLED, NOT_MEASURED})
    return f"; other subjects: {'; '.join(alone)} in one alone" if alone else ""


def _reason(names: tuple[str, str], sides: list[pandas.Series], subjects: str) -> str:
    """Why the studies do not agree: something was not measured, the effects differ, or one sees less than the other.

    ``subjects`` says which ones only one of them averages over, which may be why.
    """
    for name, side in zip(names, sides, strict=True):
        if side["subject"] == NOT_MEASURED:
            return f"{name} does not measure it"
    for name, side in zip(names, sides, strict=True):
        if isinstance(side["why"], str) and side["why"]:
            return f"{name}: {side['why']}"
    halves = [(side["high"] - side["low"]) / 2 for side in sides]
    if abs(sides[0]["mean"] - sides[1]["mean"]) > math.hypot(*halves):
        return f"the effects differ beyond what chance explains{subjects}"
    powers = ", ".join(
        f"{name} shows effects from {side['shows from']:.2g}" for name, side in zip(names, sides, strict=True)
    )
    return f"power: {powers}{subjects}"


def in_words(names: tuple[str, str], table: pandas.DataFrame) -> str:
    """The comparison as a page: how many claims agree, then every claim in one row."""
    counts = table["relation"].value_counts()
    summary = ", ".join(f"{relation} {count}" for relation, count in counts.items()) or "no claim in common"
    shown = pandas.DataFrame({
        "claim": table["statement"],
        **{name: [_effect(row, side) for _, row in table.iterrows()] for name, side in zip(names, SIDES, strict=True)},
        "relation": table["relation"],
        "likeliest reason": table["likeliest reason"],
    })  # fmt: skip
    return "\n".join([
        f"# Claims of {names[0]} and {names[1]}",
        "",
        f"{len(table)} claims stand in both registers: {summary}. Verdicts, effects with 95 % intervals and "
        f"corrections for the number of claims are each study's own ({POOLED}). Two denials agree, whether the "
        "opposite is shown or an effect that is too small to matter.",
        "",
        markdown(shown),
    ])  # fmt: skip


def _effect(row: pandas.Series, side: str) -> str:
    if pandas.isna(row[f"{side} mean"]):
        return row[f"{side} verdict"]
    numbers = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*(row[f"{side} {name}"] for name in ("mean", "low", "high")))
    return f"{row[f'{side} verdict']}: {numbers}"
