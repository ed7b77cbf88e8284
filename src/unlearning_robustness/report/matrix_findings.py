"""The cross-robustness matrix in words: the worst attack on each model, and whether defences add up."""

from collections.abc import Callable

import pandas

from unlearning_robustness.analysis.matrix import FORGET, RETAIN, TOKEN, WORST
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.words import percent, points, verdict

LEVEL = 0.05
NAMES = {RETAIN: "retain accuracy", TOKEN: "retain accuracy under a forget token", FORGET: "forget accuracy",
         WORST: "forget accuracy under the worst attack"}  # fmt: skip


def matrix_sentences(
    tables: dict[str, pandas.DataFrame], attacks: dict[str, dict], name: Callable[[str, str], str]
) -> list[str]:
    """Sentences about one model and benchmark; ``name(method, defence)`` is what a cell is called."""
    table = tables["matrix"]
    if table.empty:
        return ["This study does not choose the strength of attacks on the select split (scoring.splits)."]
    return [*_worst(table, name), *_differences(tables["matrix_differences"], attacks, name),
            *_interactions(tables["interactions"], name)]  # fmt: skip


def _worst(table: pandas.DataFrame, name: Callable[[str, str], str]) -> list[str]:
    cells = table.set_index(["method", "defence", "column"])
    lines = []
    for (method, defence, _), row in cells[cells.index.get_level_values("column") == WORST].iterrows():
        before = percent(cells.loc[(method, defence, FORGET)])
        subject = "The reference" if method == REFERENCE else name(method, defence)
        lines.append(
            f"{subject}: forget accuracy {before} without an attack, {percent(row)} under the worst one "
            f"({row['setting']})."
        )
    return lines


def _differences(table: pandas.DataFrame, attacks: dict[str, dict], name: Callable[[str, str], str]) -> list[str]:
    """Where a defence differs from plain unlearning by both its interval and the corrected p-value."""
    plain = table[table["second"] == NONE]
    sure = plain[(plain["p_holm"] < LEVEL) & ((plain["low"] > 0) | (plain["high"] < 0))]
    lines = [
        f"Of {len(plain)} comparisons of a defence with plain unlearning, {len(sure)} differ both by their interval "
        f"and by McNemar's test, Holm-corrected at {LEVEL:g}; the others are not shown to differ."
    ]
    for _, row in sure.iterrows():
        what = NAMES.get(row["column"]) or f"forget accuracy after {attacks[row['column']]['label']}"
        lines.append(f"{name(row['method'], row['first'])} − plain unlearning, {what}: {points(row)}.")
    return lines


def _interactions(table: pandas.DataFrame, name: Callable[[str, str], str]) -> list[str]:
    lines = []
    for _, row in table[table["column"].isin(NAMES)].iterrows():
        none = "not shown to differ from their sum"
        readings = ("more than the sum of both", "less than the sum of both", none)
        reading = verdict(row, *readings) if row["p_holm"] < LEVEL else none
        both = name(row["method"], f"{row['first']}.{row['second']}")
        lines.append(f"{both}, {NAMES[row['column']]}: together {points(row)} beyond what each does: {reading}.")
    return lines
