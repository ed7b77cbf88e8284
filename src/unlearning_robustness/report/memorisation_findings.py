"""MUSE's table in words: what was known by heart, what is left of it, what comes back."""

from collections.abc import Callable

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, RETRAINED

# Unlearning should lead from the first to the second.
ENDS = {REFERENCE: "The model that learnt the texts", RETRAINED: "The model that never saw them"}
TOLD = {
    ("verbatim", "forget"): "verbatim memorisation",
    ("knowledge", "forget"): "knowledge of the forget texts",
    ("knowledge", "retain"): "of the retain texts",
    ("privacy-leakage", "forget"): "privacy leakage",
}


def memorisation_sentences(
    table: pandas.DataFrame, attacks: dict[str, dict], name: Callable[[str, str], str]
) -> list[str]:
    """Sentences about one model and benchmark, none of an empty table; ``name(method, defence)`` calls a cell so.

    Memorisation is ROUGE-L times 100; leakage is in percent of the retrained model's.
    """
    lines, kinds = [], table.groupby(["method", "defence"], sort=False)
    for (method, defence), rows in sorted(kinds, key=lambda kind: kind[0][0] not in ENDS):
        told, attacked = ENDS.get(method), sorted(set(rows["attack"]) - {NONE})
        parts = [
            ("" if attack == NONE else f"after {attacks[attack]['label']} ") + _values(rows[rows["attack"] == attack])
            for attack in [NONE, *attacked]
        ]
        lines.append(f"{told or name(method, defence)}: {'; '.join(parts)}.")
    return lines + _warning(table)


def _values(rows: pandas.DataFrame) -> str:
    """The told metrics of one model in one stage, in their order."""
    by_metric = rows.set_index(["metric", "role"])
    found = [(words, by_metric.loc[key]) for key, words in TOLD.items() if key in by_metric.index]
    return ", ".join(f"{words} {row['mean']:.0f} [{row['low']:.0f}, {row['high']:.0f}]" for words, row in found)


def _warning(table: pandas.DataFrame) -> list[str]:
    """Said when the target is not shown to know more of the texts than a model that never saw them."""
    texts = table[(table["metric"] == "verbatim") & (table["attack"] == NONE)].set_index("method")
    if not {REFERENCE, RETRAINED} <= set(texts.index):
        return []
    knows, never = texts.loc[REFERENCE], texts.loc[RETRAINED]
    if knows["low"] > never["high"]:
        return []
    return [
        "The model that learnt the texts is not shown to continue them better than the one that never saw them: what "
        "is left of them cannot be told here."
    ]
