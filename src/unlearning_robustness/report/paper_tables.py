"""The papers' tables for LaTeX: rows and columns as the papers have them, with booktabs' rules.

The numbers are this study's. Which number a table has in a paper is not always known, so names say what it holds.
"""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.summary import summary
from unlearning_robustness.report.words import interval

# By the name of a table its caption, and the tables of results that it reads.
CAPTIONS = {
    "rna-main": "Accuracies in percent with intervals, and what a forget token changes beyond a neutral one.",
    "rna-attacks": "Forget accuracy in percent under each attack, with intervals.",
    "stableun-main": "Forget accuracy in percent before and after relearning, and retain accuracy, with intervals.",
    "stableun-muse": "Memorisation in percent before and after relearning, with intervals.",
}
READS = {
    "rna-main": ("accuracy", "token_effects", "measures"),
    "rna-attacks": ("matrix",),
    "stableun-main": ("accuracy", "relearning"),
    "stableun-muse": ("memorisation",),
}
# What fonts of LaTeX lack, as pandas leaves it.
SYMBOLS = {
    "‖ΔW‖": r"$\Vert\Delta W\Vert$", "‖": r"$\Vert$", "Δ": r"$\Delta$", "−": "$-$", "×": r"$\times$",
    "±": r"$\pm$", "≤": r"$\leq$",
}  # fmt: skip


def paper_table(name: str, context: ReportContext) -> pandas.DataFrame:
    """A table by its name, one row a method and defence; without rows where the study measured nothing of it."""
    makers = {"rna-main": summary, "rna-attacks": _attacks, "stableun-main": _relearned, "stableun-muse": _memorised}
    return pandas.DataFrame() if any(context.tables[table].empty for table in READS[name]) else makers[name](context)


def booktabs(table: pandas.DataFrame, caption: str, label: str) -> str:
    """A table for LaTeX; what is in its cells is text and never a command."""
    if table.empty:
        return f"% {label}: this study has nothing to show here.\n"
    single = table.map(lambda value: " ".join(str(value).split()))
    text = single.to_latex(index=False, escape=True, column_format="l" + "r" * (len(table.columns) - 1),
                           caption=caption.replace("%", r"\%"), label=f"tab:{label}", position="t")  # fmt: skip
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text


def _attacks(context: ReportContext) -> pandas.DataFrame:
    table = context.tables["matrix"]
    columns = [*dict.fromkeys(table["column"])]
    names = {column: context.attack_label(column) if column in context.settings["attacks"] else column
             for column in columns}  # fmt: skip
    return _wide(context, table.assign(column=table["column"].map(names)))


def _relearned(context: ReportContext) -> pandas.DataFrame:
    accuracy, relearned = context.tables["accuracy"], context.tables["relearning"]
    asked = (accuracy["probe"] == context.probe("baseline")) & accuracy["role"].isin(["forget", "retain"])
    relearned = relearned[(relearned["attack"] == context.settings["analysis"]["attack"]) & (relearned["steps"] > 0)]
    several = relearned["documents"].nunique() > 1
    points = [
        f"relearned{f' on {documents}' if several else ''}, {steps} steps"
        for documents, steps in zip(relearned["documents"], relearned["steps"], strict=True)
    ]
    after = relearned.assign(column=points)
    return _wide(context, pandas.concat([accuracy[asked].assign(column=accuracy["role"]), after]))


def _memorised(context: ReportContext) -> pandas.DataFrame:
    table = context.tables["memorisation"]
    when = table["attack"].map(lambda attack: "" if attack == NONE else f" after {context.attack_label(attack)}")
    return _wide(context, table.assign(column=table["metric"] + ", " + table["role"] + when), scale=1.0)


def _wide(context: ReportContext, table: pandas.DataFrame, scale: float = 100.0) -> pandas.DataFrame:
    """One row a method and defence in the study's order, one column each value of ``column``, in their order."""
    columns, rows = list(dict.fromkeys(table["column"])), []
    others = [method for method in dict.fromkeys(table["method"]) if method not in context.every_method()]
    others.sort(key=lambda method: method != REFERENCE)
    for method, defence in context.cells_of(table, [*others, *context.every_method()], [NONE, *context.defences]):
        cell = table[(table["method"] == method) & (table["defence"] == defence)].drop_duplicates("column")
        said = {row["column"]: interval(row, scale) for _, row in cell.iterrows()}
        row = {"model": context.cell_label(method, defence, join=" + ", plain="")}
        rows.append(row | {name: said.get(name, "") for name in columns})
    return pandas.DataFrame(rows)
