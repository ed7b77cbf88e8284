"""What unlearning does without an attack, what a forget token does to it, and what RNA changes about that."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import percent, points, verdict

# Where a probe of each mode puts its word.
POSITIONS = {"prefix": "before", "option": "as a wrong option of", "mention": "mentioned before"}


def accuracy_of(context: ReportContext, method: str, defence: str, role: str, probe: str) -> pandas.Series | None:
    """The row of the table of accuracies, if it has one."""
    table = context.tables["accuracy"]
    rows = table.query("method == @method and defence == @defence and role == @role and probe == @probe")
    return None if rows.empty else rows.iloc[0]


def unlearning(context: ReportContext) -> list[str]:
    """Forget and retain accuracy of plain unlearning."""
    lines, plain = [], context.probe("baseline")
    for method in context.methods():
        forget, retain, neighbour = (
            accuracy_of(context, method, NONE, role, plain) for role in ("forget", "retain", "neighbour")
        )
        if forget is not None:
            beside = f", the neighbour domain at {percent(neighbour)}" if neighbour is not None else ""
            lines.append(
                f"{context.method_label(method)} leaves forget accuracy at {percent(forget)} "
                f"({_floor(context, method)}), retain accuracy at {percent(retain)}{beside}."
            )
    return lines


def _floor(context: ReportContext, method: str) -> str:
    """What the model answers without knowledge, where the study measured it, else chance."""
    chance, floor = f"chance {100 * context.chance:.0f} %", context.floor(method, "forget")
    return chance if floor is None else f"floor {percent(floor)}, {chance}"


def token_effect(context: ReportContext) -> list[str]:
    """The forget token against the neutral one, for the reference and each plain method."""
    table, lines = context.tables["token_effects"], []
    probe = context.settings["probes"][context.probe("forget_token")]
    position, count = POSITIONS.get(probe["mode"], "in"), probe["count"]
    forget, neutral, verb = f"{count} forget tokens", "neutral ones", "change"
    if count == 1:
        forget, neutral, verb = "one forget token", "a neutral one", "changes"
    for method in [REFERENCE, *context.methods()]:
        rows = table.query("method == @method and defence == @NONE").set_index("contrast")
        if rows.empty:
            continue
        name = "The reference" if method == REFERENCE else context.method_label(method)
        beyond = rows.loc["beyond_control"]
        reading = verdict(
            beyond, "which is less harm than a neutral token does", "which is more harm than a neutral token does",
            "which is not distinguishable from a neutral token",
        )  # fmt: skip
        lines.append(
            f"{name}: {forget} {position} a retain question {verb} accuracy by {points(rows.loc['token'])}, "
            f"{neutral} by {points(rows.loc['control'])}; the difference is {points(beyond)}, {reading}."
        )
    return lines


def repair(context: ReportContext) -> list[str]:
    """Each RNA against plain unlearning and its controls, under a forget token and in forgetting."""
    table, lines = context.tables["differences"], []
    _, _, token_set = context.headline_sets()
    for method in context.methods():
        for defence in context.of_kind(RNA):
            pairs = table[(table["method"] == method) & (table["first"] == defence)]
            for second, pair in pairs.groupby("second", sort=False):
                by_set = pair.set_index(["role", "probe"])
                if token_set in by_set.index:
                    lines.append(_repaired(context, method, defence, second, by_set))
    return lines or ["This study has no RNA cells."]


def _repaired(context: ReportContext, method: str, defence: str, second: str, by_set: pandas.DataFrame) -> str:
    """One comparison, by its row of each (role, probe)."""
    forget_set, _, token_set = context.headline_sets()
    token, forget, label = by_set.loc[token_set], by_set.loc[forget_set], context.defence_label(defence)
    reading = verdict(token, f"{label} is more robust", f"{label} is less robust", "no difference is shown")
    level = verdict(
        forget, "while forgetting less", "while forgetting more", "at a forget accuracy not shown to differ"
    )
    return (
        f"{context.method_label(method)}, {label} − {context.defence_label(second, 'plain unlearning')}: retain "
        f"accuracy under a forget token {points(token)}, forget accuracy {points(forget)}: {reading}, {level}."
    )
