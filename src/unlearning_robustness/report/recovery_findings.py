"""What relearning brings back: along the main attack, against plain unlearning, and with other documents."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.bootstrap import spearman
from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import percent, points, verdict

SHUFFLED, SEEN = "relearn-shuffled", "seen"
# Two readings of what documents about the very facts that are asked do.
TAUGHT = "that is taught, not recovered"
TOO_WEAK = (
    "not even teaching is shown to raise it, so with so few steps at this learning rate what does not come back may "
    "still be there"
)


def recovery(context: ReportContext) -> list[str]:
    """All sentences about relearning; one that says so where the study attacks nothing."""
    if context.tables["relearning"].empty:
        return ["This study attacks no cell."]
    return [
        *_searched(context), *_curves(context), *_differences(context), *_wrong_answers(context),
        *_other_attackers(context), *_weight_change(context),
    ]  # fmt: skip


def _searched(context: ReportContext) -> Iterator[str]:
    """With which settings the main attack comes, where they are searched, and whether it could succeed at all."""
    table = context.tables["attack_validity"]
    main = table["attack"] == context.settings["analysis"]["attack"] if len(table) else []
    for _, row in table[main].iterrows():
        steps = f"{row['setting']}, {row['steps']} steps"
        if row["method"] == REFERENCE:
            yield f"The reference under attack: of {row['trials']} settings {steps} leaves it most."
            continue
        cell = context.cell_label(row["method"], row["defence"])
        yield (
            f"{cell}: of {row['trials']} settings {steps} brings most back on select: {_share(row['forget'])} of the "
            f"forget facts at {_share(row['retain'])} of the retain facts, where the reference keeps "
            f"{_share(row['left'])}. The choice flatters that by {100 * row['optimism_forget']:.0f} points there, and "
            "nothing on test." + ("" if row["within_bounds"] else " No setting is within the bounds.") + _taught(row)
        )


def _taught(row: pandas.Series) -> str:
    """What the teaching control says of an attack; nothing where there was none."""
    if pandas.isna(row["taught"]):
        return ""
    control = f" Documents about what is asked raise it from {_share(row['before'])} to {_share(row['taught'])}"
    return (
        f"{control}."
        if row["valid"]
        else f"{control}: so little that the attack is invalid, and no verdict rests on it."
    )


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _main_run(context: ReportContext, table: pandas.DataFrame) -> pandas.DataFrame:
    """The rows of the main attack with its most documents."""
    rows = table[table["attack"] == context.settings["analysis"]["attack"]]
    return rows[rows["documents"] == rows["documents"].max()]


def _curves(context: ReportContext) -> Iterator[str]:
    """Forget accuracy before the main attack, early and at its end: of the reference (the ceiling) and every cell."""
    main, early = _main_run(context, context.tables["relearning"]), context.settings["analysis"]["early_steps"]
    for method in [REFERENCE, *context.methods()]:
        for defence, rows in main[main["method"] == method].groupby("defence", sort=False):
            by_step = rows.set_index("steps")
            shown = [step for step in by_step.index if step in (0, early, by_step.index.max())]
            *before, end = (f"{percent(by_step.loc[step])} after {step}" for step in shown)
            path = " and ".join([*filter(None, [", ".join(before)]), end])
            name = "The reference itself" if method == REFERENCE else context.cell_label(method, defence)
            yield f"{name}: forget accuracy {path} relearning steps."


def _differences(context: ReportContext) -> Iterator[str]:
    """Each RNA against plain unlearning after the first steps of the main attack."""
    early = context.settings["analysis"]["early_steps"]
    table = _main_run(context, context.tables["attacked_differences"])
    table = table[(table["steps"] == early) & (table["second"] == NONE)]
    for method in context.every_method():
        for defence in context.of_kind(RNA):
            rows = table[(table["method"] == method) & (table["first"] == defence)].set_index("quantity")
            if rows.empty:
                continue
            label, gain = context.defence_label(defence), rows.loc["gain"]
            reading = verdict(
                gain, f"relearning brings back more of it with {label}",
                f"relearning brings back less of it with {label}",
                "no difference in what relearning brings back is shown",
            )  # fmt: skip
            yield (
                f"{context.method_label(method)}: after {early} steps {label}'s forget accuracy differs from plain "
                f"unlearning's by {points(rows.loc['level'])}, the accuracy gained since unlearning by {points(gain)}: "
                f"{reading}."
            )


def _wrong_answers(context: ReportContext) -> Iterator[str]:
    """The control: documents with wrong answers beside as many with right ones."""
    curves, early = context.tables["relearning"], context.settings["analysis"]["early_steps"]
    curves = curves[(curves["steps"] == early) & (curves["method"] != REFERENCE)]
    right = curves[curves["attack"] == context.settings["analysis"]["attack"]]
    keys = ["method", "defence", "documents"]
    for _, row in curves[curves["attack"].map(lambda name: _corpus(context, name)) == SHUFFLED].iterrows():
        same = right[(right[keys] == row[keys]).all(axis=1)]
        if len(same):
            yield (
                f"Control, {context.cell_label(row['method'], row['defence'], ' with ')}: after {early} steps on "
                f"documents with *wrong* answers forget accuracy is {percent(row)}, with right ones "
                f"{percent(same.iloc[0])}. What wrong answers bring back was not taught by the attack."
            )


def _other_attackers(context: ReportContext) -> Iterator[str]:
    """How forget accuracy changes over a budget of other documents, parameters or schedules.

    Documents about what is asked are the attacker's positive control: where even they raise nothing that is shown,
    nobody can deny recovery.
    """
    table = context.tables["recovery"]
    for _, row in table[(table["quantity"] == "gap") & (table["method"] != REFERENCE)].iterrows():
        attack, corpus = row["attack"], _corpus(context, row["attack"])
        if corpus in (None, SHUFFLED) or attack == context.settings["analysis"]["attack"]:
            continue
        end = f": {verdict(row, TAUGHT, TOO_WEAK, TOO_WEAK)}." if corpus == SEEN else "."
        yield (
            f"{context.cell_label(row['method'], row['defence'])}, {context.attack_label(attack)} ({row['documents']} "
            f"documents): forget accuracy changes by {points(row)} in {row['budget']} steps{end}"
        )


def _corpus(context: ReportContext, attack: str) -> str | None:
    """What a relearning attack trains on; None of another attack."""
    return context.settings["attacks"][attack].get("corpus")


def _weight_change(context: ReportContext) -> Iterator[str]:
    """Whether models whose weights moved less give more back."""
    table, early = context.tables["early_recovery"], context.settings["analysis"]["early_steps"]
    for method, cells in table.groupby("method", sort=False) if len(table) else ():
        if len(cells) > 3:
            yield (
                f"Over the {len(cells)} attacked {context.method_label(method)} cells, ‖ΔW‖ and the accuracy regained "
                f"in {early} steps have a rank correlation of {spearman(cells['weight_change'], cells['gain']):+.2f}."
            )
