"""Whether an attack could have brought knowledge back: the search for its settings, and its teaching control.

Of an attack that fails even on documents about the very facts that are asked, nothing follows where it brings nothing
back: it is invalid for that kind of cell, and no verdict rests on it.
"""

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.config.cells import KIND, NONE
from unlearning_robustness.scoring.bounds import at_least

READS = ("attacked", "searches")
SETTINGS = ("attacks", "searches")
COLUMNS = [
    *KIND, "attack", "search", "trials", "setting", "steps", "within_bounds", "known", "forget", "retain", "left",
    "optimism_known", "optimism_forget", "before", "taught", "reference", "regained", "valid",
]  # fmt: skip


def attack_validity(inputs: Inputs) -> pandas.DataFrame:
    """One row a kind of cell and attack whose settings are searched.

    On ``select``: what is ``known`` after the attack (mean margin), forget and retain accuracy, what the same setting
    has ``left`` of the reference, and by how much the choice flatters both (``optimism_known``, ``optimism_forget``).

    Of the teaching control, on ``test``: forget accuracy ``before`` and when ``taught``, that of the reference, and
    what is ``regained``, as a share of the way up to what the same setting leaves of the reference: teaching by this
    attack cannot be expected to do more. ``valid`` is whether that is at least ``searches.ID.taught``; without a
    control, as of the reference, nothing speaks against an attack.
    """
    searched = {(*(entry[name] for name in KIND), entry["search"]): entry for entry in inputs.recorded["searches"]}
    rows = []
    for *kind, attack in inputs.attacked[[*KIND, "attack"]].drop_duplicates().itertuples(index=False):
        search = inputs.settings["attacks"][attack]["search"]
        if search != NONE:
            rows.append(_row(searched[(*kind, search)], inputs.settings["searches"][search]) | {"attack": attack})
    return pandas.DataFrame(rows, columns=COLUMNS).sort_values([*KIND, "attack"], ignore_index=True)


def _row(entry: dict, search: dict) -> dict:
    chosen, control = entry["chosen"], entry.get("control")
    row = {name: entry[name] for name in (*KIND, "search")} | {
        "trials": len({str(point["settings"]) for point in entry["points"]}),
        "setting": in_words(chosen["settings"]),
        **{name: chosen[name] for name in ("steps", "within_bounds", "known", "forget", "retain", "left")},
        **{f"optimism_{name}": value for name, value in entry["optimism"].items()},
        "valid": True,
    }
    if control:
        before, taught, reference = (control[name] for name in ("before", "after", "reference"))
        lost = min(reference, chosen["left"]) - before
        row |= {"before": before, "taught": taught, "reference": reference}
        row["regained"] = (taught - before) / lost if lost > 0 else None
        row["valid"] = bool(at_least(taught, before + search["taught"] * max(lost, 0.0)))
    return row


def failed_controls(table: pandas.DataFrame) -> set[tuple[str, str, str]]:
    """(method, defence, attack) of the rows of ``attack_validity``, of one model and benchmark, that are not valid."""
    failed = table[~table["valid"].astype(bool)] if len(table) else table
    return {(row["method"], row["defence"], row["attack"]) for _, row in failed.iterrows()}


def in_words(settings: dict) -> str:
    """A setting as text: ``learning_rate 0.0005, trained full``."""
    words = (f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items())
    return ", ".join(words)
