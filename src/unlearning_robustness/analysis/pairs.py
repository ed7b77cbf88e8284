"""Which defences are compared with which, and the paired differences of their answers."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.intervals import paired
from unlearning_robustness.config.cells import COMBINATION, NONE, RNA


def comparison_pairs(defences: dict[str, dict], used: list[str]) -> list[tuple[str, str]]:
    """(defence, what it is compared with): every defence in use with none, and with the controls made for it.

    A control that names the defence that it is matched to (``match``) is compared with that one; any other baseline or
    control with plain unlearning, and with every defence of kind ``rna`` that is no variant of another.
    """
    rna = [
        name for name in used if name in defences and defences[name]["kind"] == RNA and not is_variant(defences[name])
    ]
    pairs = []
    for name in used:
        entry = defences.get(name, {"kind": COMBINATION, "parameters": {}})
        if entry["parameters"].get("match"):
            pairs.append((entry["parameters"]["match"], name))
        elif name != NONE:
            pairs.append((name, NONE))
            if entry["kind"] not in (RNA, COMBINATION):
                pairs += [(defence, name) for defence in rna]
    return pairs


def is_variant(entry: dict) -> bool:
    """Whether an entry varies another one, and is shown with it instead of on its own."""
    return "variant_of" in entry


def paired_differences(
    matrices: dict[str, pandas.DataFrame], pairs: list[tuple[str, str]], named: dict
) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """(``named`` with first and second, first - second) of each pair whose matrices (seeds, facts) both exist."""
    for first, second in pairs:
        if first in matrices and second in matrices:
            yield {**named, "first": first, "second": second}, paired(matrices[first], matrices[second])
