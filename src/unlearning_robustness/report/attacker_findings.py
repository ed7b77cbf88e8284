"""Attackers beside the main one in words: other documents, other parameters, other budgets."""

from collections.abc import Callable

import pandas

from unlearning_robustness.config.cells import REFERENCE
from unlearning_robustness.report.words import points, verdict

# Two readings of what documents about the very facts that are asked do.
TAUGHT = "that is taught, not recovered"
TOO_WEAK = (
    "not even teaching is shown to raise it, so with so few steps at this learning rate what does not come back may "
    "still be there"
)


def attacker_sentences(
    recovery: pandas.DataFrame, attacks: dict[str, dict], main: str, name: Callable[[str, str], str]
) -> list[str]:
    """How forget accuracy changes over a budget: one line a cell, relearning attack but ``main``, number of documents.

    The control with wrong answers is told elsewhere. ``name(method, defence)`` calls a cell so. Documents about what is
    asked are the attacker's positive control: where teaching raises nothing that is shown, recovery cannot be denied.
    """
    lines = []
    gaps = recovery[(recovery["quantity"] == "gap") & (recovery["method"] != REFERENCE)]
    for _, row in gaps.iterrows():
        entry = attacks[row["attack"]]
        corpus = entry["parameters"].get("corpus", "relearn")
        if row["attack"] == main or entry["kind"] != "relearn" or corpus == "relearn-shuffled":
            continue
        end = f": {verdict(row, TAUGHT, TOO_WEAK, TOO_WEAK)}." if corpus == "seen" else "."
        lines.append(
            f"{name(row['method'], row['defence'])}, {entry['label']} ({row['documents']} documents): forget accuracy "
            f"changes by {points(row)} in {row['budget']} steps{end}"
        )
    return lines
