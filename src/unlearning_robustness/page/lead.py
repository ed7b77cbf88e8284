"""The first screen in words: the study's question, and its answer in about five sentences with their numbers."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pandas

from unlearning_robustness.config.cells import NONE, RNA
from unlearning_robustness.page.packing import LACKING
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.findings import recovery, token_effect, unlearning, worst_attacks
from unlearning_robustness.report.unlearning_findings import accuracy_of
from unlearning_robustness.report.words import interval

# So many methods are named one by one; of more the range and how many are shown to differ.
NAMED = 3
CONTROLS = ("early-stop", "gradient-noise")


def defence_of(context: ReportContext) -> str | None:
    """The defence that the study is about: the first RNA, else the first that it compares with plain unlearning."""
    compared = context.tables["differences"]
    first = set(compared.loc[compared["second"] == NONE, "first"]) if len(compared) else set()
    ordered = [*context.of_kind(RNA), *context.defences]
    return next((name for name in ordered if name in first), None)


def question(context: ReportContext) -> str:
    """What the page answers."""
    defence = defence_of(context)
    if defence is None:
        return "What is left after unlearning, and what does an attack bring back?"
    return f"Does {context.defence_label(defence)} help, at what cost, and compared with what?"


@dataclass(frozen=True)
class Sentence:
    """An answer to one part of the question: what is shown in a few words, and the numbers that show it."""

    topic: str
    shown: str
    numbers: str


def answer(context: ReportContext) -> list[Sentence]:
    """The answer in the order of the question; without a defence the first finding of each kind.

    A part whose tables are missing, or of an older schema, is left out.
    """
    defence = defence_of(context)
    if defence is None:
        parts = {"forgetting": unlearning, "problem": token_effect, "attack": recovery, "worst": worst_attacks}
        asked = [partial(_first, topic, part, context) for topic, part in parts.items()]
    else:
        of_defence = [partial(part, context, defence) for part in (_helps, _costs, _compared, _recovered)]
        asked = [*of_defence, partial(_forgotten, context)]
    sentences = []
    for part in asked:
        with suppress(*LACKING):
            sentences.append(part())
    return [sentence for sentence in sentences if sentence]


def _first(topic: str, part: Callable, context: ReportContext) -> Sentence | None:
    return next((Sentence(topic, "", line) for line in part(context)), None)


def _helps(context: ReportContext, defence: str) -> Sentence | None:
    """What the defence changes where a forget token does harm, beside the harm itself."""
    rows = _differences(context, defence, NONE, *context.headline_sets()[2])
    if not rows:
        return None
    up, down = _shown(rows)
    shown = (
        f"Mixed: more robust for {_count(up, rows)}, less for {down}" if up and down
        else f"Yes, for {_count(up, rows)}" if up else f"It harms, for {_count(down, rows)}" if down
        else f"Not shown for any of {len(rows)} methods" if len(rows) > 1 else "Not shown"
    )  # fmt: skip
    numbers = f"Retain accuracy under a forget token, less plain unlearning's: {_listed(context, rows)} points."
    table = context.tables["token_effects"]
    harm = _by_method(context, table[(table["defence"] == NONE) & (table["contrast"] == "beyond_control")])
    if harm:
        numbers += (
            f" What the token changes in plain unlearning, beyond a neutral one: {_listed(context, harm)} points."
        )
    return Sentence("help", shown, numbers)


def _costs(context: ReportContext, defence: str) -> Sentence | None:
    """Whether it forgets less and what it breaks, without an attack."""
    forget_set, retain_set, _ = context.headline_sets()
    forget, retain = (_differences(context, defence, NONE, *asked) for asked in (forget_set, retain_set))
    if not forget or not retain:
        return None
    (less, _), (_, lost) = _shown(forget), _shown(retain)
    parts = [f"forgets less for {_count(less, forget)}"] if less else []
    parts += [f"loses retain accuracy for {_count(lost, retain)}"] if lost else []
    shown = "It " + " and ".join(parts) if parts else "No cost is shown"
    return Sentence("cost", shown, f"Forget accuracy, less plain unlearning's: {_listed(context, forget)} points; "
                                   f"retain accuracy: {_listed(context, retain)} points.")  # fmt: skip


def _compared(context: ReportContext, defence: str) -> Sentence | None:
    """The defence against simpler ways to weaker unlearning."""
    shown, numbers = [], []
    for control in (name for kind in CONTROLS for name in context.of_kind(kind)):
        if rows := _differences(context, defence, control, *context.headline_sets()[2]):
            label, (up, down) = context.defence_label(control), _shown(rows)
            better = f"better than {label} for {_count(up, rows)}" if up else f"not shown to beat {label}"
            shown.append(f"worse than {label} for {_count(down, rows)}" if down and not up else better)
            numbers.append(f"less {label}: {_listed(context, rows)} points")
    if not shown:
        return None
    head = ", ".join(shown)
    return Sentence("compared", head[0].upper() + head[1:],
                    f"Retain accuracy under a forget token, {'; '.join(numbers)}.")  # fmt: skip


def _recovered(context: ReportContext, defence: str) -> Sentence | None:
    table, analysis = context.tables["attacked_differences"], context.settings["analysis"]
    asked = {"attack": analysis["attack"], "steps": analysis["early_steps"], "quantity": "gain",
             "first": defence, "second": NONE}  # fmt: skip
    kept = table[(table[list(asked)] == list(asked.values())).all(axis=1)]
    rows = _by_method(context, kept[kept["documents"] == kept["documents"].max()])
    if not rows:
        return None
    up, down = _shown(rows)
    parts = [f"more for {_count(up, rows)}"] if up else []
    parts += [f"less for {_count(down, rows)}"] if down else []
    shown = f"Relearning brings back {', '.join(parts)}" if parts else "No difference is shown in what comes back"
    numbers = (
        f"Accuracy gained in {analysis['early_steps']} steps, less plain unlearning's: {_listed(context, rows)} points."
    )
    return Sentence("attack", shown, numbers)


def _forgotten(context: ReportContext) -> Sentence | None:
    levels = {method: accuracy_of(context, method, NONE, *context.headline_sets()[0]) for method in context.methods()}
    rows = {method: row for method, row in levels.items() if row is not None}
    if not rows:
        return None
    floors = [floor for method in rows if (floor := context.floor(method, "forget")) is not None]
    floor = f" A model without knowledge would answer about {100 * floors[0]['mean']:.0f} %." if floors else ""
    return Sentence(
        "forgetting", "", f"Forget accuracy of plain unlearning: {_listed(context, rows, interval)} %.{floor}"
    )


def _differences(context: ReportContext, first: str, second: str, role: str, probe: str) -> dict[str, pandas.Series]:
    table = context.tables["differences"]
    asked = {"first": first, "second": second, "role": role, "probe": probe}
    return _by_method(context, table[(table[list(asked)] == list(asked.values())).all(axis=1)])


def _by_method(context: ReportContext, table: pandas.DataFrame) -> dict[str, pandas.Series]:
    rows = {row["method"]: row for _, row in table.iterrows()}
    return {method: rows[method] for method in context.methods() if method in rows}


def _shown(rows: dict[str, pandas.Series]) -> tuple[int, int]:
    """For how many methods a rise is shown, and for how many a fall."""
    return sum(row["low"] > 0 for row in rows.values()), sum(row["high"] < 0 for row in rows.values())


def _count(shown: int, rows: dict) -> str:
    return f"{shown} of {len(rows)} method{'' if len(rows) == 1 else 's'}"


def _signed(row: pandas.Series) -> str:
    """A difference in whole points with its interval."""
    mean, low, high = (f"{100 * row[name]:+.0f}".replace("-", "−") for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]".replace("+0", "0").replace("−0", "0")


def _listed(context: ReportContext, rows: dict[str, pandas.Series], words: Callable | None = None) -> str:
    """Each method with its number; of many the least and the most."""
    named = [f"{context.method_label(method)} {(words or _signed)(row)}" for method, row in rows.items()]
    if len(rows) <= NAMED:
        return ", ".join(named)
    order = sorted(range(len(rows)), key=lambda number: list(rows.values())[number]["mean"])
    return f"from {named[order[0]]} to {named[order[-1]]}"


def undone(context: ReportContext) -> Iterator[str]:
    """What the page cannot show of this model and benchmark: tables without a row."""
    empty = sorted(name for name, table in context.tables.items() if table.empty)
    if empty:
        yield f"Not measured, so these tables have no rows: {', '.join(empty)}."
