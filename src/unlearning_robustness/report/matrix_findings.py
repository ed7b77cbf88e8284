"""The cross-robustness matrix in words: the worst attack on each model, and whether defences add up."""

from unlearning_robustness.analysis.matrix import FORGET, RETAIN, TOKEN, WORST
from unlearning_robustness.analysis.significance import LEVEL, shown
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import percent, points, verdict

NAMES = {RETAIN: "retain accuracy", TOKEN: "retain accuracy under a forget token", FORGET: "forget accuracy",
         WORST: "forget accuracy under the worst attack"}  # fmt: skip


def worst_attacks(context: ReportContext) -> list[str]:
    """The worst attack on each model, which differences of the study's family are shown, and what combinations add."""
    if context.tables["matrix"].empty:
        return ["This study does not choose the strength of attacks on the select split (scoring.splits)."]
    return [*_worst(context), *_differences(context), *_interactions(context)]


def _worst(context: ReportContext) -> list[str]:
    cells = context.tables["matrix"].set_index(["method", "defence", "column"])
    lines = []
    for (method, defence, _), row in cells[cells.index.get_level_values("column") == WORST].iterrows():
        before = percent(cells.loc[(method, defence, FORGET)])
        subject = "The reference" if method == REFERENCE else context.cell_label(method, defence)
        lines.append(
            f"{subject}: forget accuracy {before} without an attack, {percent(row)} under the worst one "
            f"({row['setting']})."
        )
    return lines


def _differences(context: ReportContext) -> list[str]:
    """Where a defence differs from plain unlearning, of the comparisons that the study named before it ran."""
    table = context.tables["matrix_differences"]
    plain = table[table["second"] == NONE]
    sure = shown(plain)
    tested = plain["p_holm"].notna().sum() if "p_holm" in plain else 0
    lines = [
        f"Of {tested} comparisons of a defence with plain unlearning in the study's family, {len(sure)} are shown to "
        f"differ, Holm-corrected at {LEVEL:g}; {len(plain) - tested} more are outside it, and no verdict is given."
    ]
    for _, row in sure.iterrows():
        quantity = NAMES.get(row["column"]) or f"forget accuracy after {context.attack_label(row['column'])}"
        cell = context.cell_label(row["method"], row["first"])
        lines.append(f"{cell} − plain unlearning, {quantity}: {points(row)}.")
    return lines


def _interactions(context: ReportContext) -> list[str]:
    table, lines = context.tables["interactions"], []
    sure = shown(table).index
    for label, row in table[table["column"].isin(NAMES)].iterrows():
        unshown = "not shown to differ from their sum"
        reading = verdict(row, "more than the sum of both", "less than the sum of both", unshown)
        both = context.cell_label(row["method"], f"{row['first']}.{row['second']}")
        lines.append(
            f"{both}, {NAMES[row['column']]}: together {points(row)} beyond what each does: "
            f"{reading if label in sure else unshown}."
        )
    return lines
