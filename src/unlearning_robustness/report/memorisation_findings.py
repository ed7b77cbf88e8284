"""MUSE's table in words: what the model knew by heart, what is left of it, what comes back."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, RETRAINED
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import interval

# Unlearning should lead from the first to the second.
ENDS = {REFERENCE: "The model that learnt the texts", RETRAINED: "The model that never saw them"}
METRICS = {
    ("verbatim", "forget"): "verbatim memorisation",
    ("knowledge", "forget"): "knowledge of the forget texts",
    ("knowledge", "retain"): "of the retain texts",
    ("privacy-leakage", "forget"): "privacy leakage",
}


def memorisation(context: ReportContext) -> list[str]:
    """A sentence a model, none of an empty table; memorisation is ROUGE-L times 100, leakage in percent."""
    table = context.tables["memorisation"]
    lines, kinds = [], table.groupby(["method", "defence"], sort=False)
    for (method, defence), rows in sorted(kinds, key=lambda kind: kind[0][0] not in ENDS):
        stages = [
            ("" if attack == NONE else f"after {context.attack_label(attack)} ") + _values(part)
            for attack, part in rows.groupby("attack", sort=False)
        ]
        lines.append(f"{ENDS.get(method) or context.cell_label(method, defence)}: {'; '.join(stages)}.")
    return lines + _warning(table)


def _values(rows: pandas.DataFrame) -> str:
    """The metrics of one model in one stage, in the order of ``METRICS``."""
    by_metric = rows.set_index(["metric", "role"])
    present = [(words, by_metric.loc[key]) for key, words in METRICS.items() if key in by_metric.index]
    return ", ".join(f"{words} {interval(row, 1)}" for words, row in present)


def _warning(table: pandas.DataFrame) -> list[str]:
    """For a target that is not shown to know more of the texts than a model that never saw them."""
    texts = table[(table["metric"] == "verbatim") & (table["attack"] == NONE)].set_index("method")
    if not {REFERENCE, RETRAINED} <= set(texts.index) or texts.loc[REFERENCE, "low"] > texts.loc[RETRAINED, "high"]:
        return []
    return [
        "The model that learnt the texts is not shown to continue them better than the one that never saw them: this "
        "study cannot say what is left of them."
    ]
