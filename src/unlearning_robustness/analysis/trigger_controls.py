"""Positive controls of attacks that search over prompts, and the losses of their searches.

Of an attack that does not open a lock which a single token opens, nothing follows where it brings nothing back.
"""

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.scoring.bounds import at_least

READS = ("trigger_controls", "searched")
SETTINGS = ()
PLACE = ("model", "benchmark", "attack")
COLUMNS = [*PLACE, "steps", "setting", "locked", "trigger", "reached", "share", "threshold", "passed"]
LOSSES = [*KIND, "attack", "step", "loss", "least", "most", "seeds"]
# The control itself, among the losses of searches.
CONTROL = "trigger-control"


def trigger_controls(inputs: Inputs) -> pandas.DataFrame:
    """One row a model, benchmark and attack: forget accuracy of the ``locked`` reference, behind its ``trigger``, and
    what the attack ``reached`` with its whole budget.

    ``share`` is how much of what the lock takes it brought back; it has ``passed`` with
    ``analysis.least_opened`` (``threshold``) of that. Where an architecture cannot carry the lock, nothing is known but
    the reason, in ``setting``.
    """
    rows = []
    for entry in inputs.recorded["trigger_controls"]:
        if "unavailable" in entry:
            rows.append({**{name: entry[name] for name in PLACE}, "setting": entry["unavailable"]})
            continue
        least = inputs.analysis["least_opened"]
        last, taken = entry["points"][-1], entry["trigger"] - entry["locked"]
        share = (last["accuracy"] - entry["locked"]) / taken if taken > 0 else None
        row = {name: entry[name] for name in (*PLACE, "locked", "trigger")}
        row |= {"steps": last["steps"], "setting": last["setting"], "reached": last["accuracy"], "share": share}
        rows.append(row | {"threshold": least, "passed": share is not None and bool(at_least(share, least))})
    return pandas.DataFrame(rows, columns=COLUMNS).sort_values([*PLACE], ignore_index=True)


def search_losses(inputs: Inputs) -> pandas.DataFrame:
    """The loss of a search after each step, by kind of cell: mean, ``least`` and ``most`` over seeds.

    Rows of the method ``trigger-control`` are of the control, whose loss falls where the trigger is found.
    """
    searched = inputs.recorded["searched"]
    groups = searched.groupby([*KIND, "attack", "step"], sort=False)["loss"]
    table = groups.agg(loss="mean", least="min", most="max", seeds="size").reset_index()
    controls = [
        {**{name: entry[name] for name in PLACE}, "method": CONTROL, "defence": "none", "step": step, "loss": loss,
         "least": loss, "most": loss, "seeds": 1}
        for entry in inputs.recorded["trigger_controls"]
        for step, loss in enumerate(entry["losses"], start=1)
    ]  # fmt: skip
    return pandas.concat([table, pandas.DataFrame(controls, columns=LOSSES)], ignore_index=True)[LOSSES]


def failed(inputs: Inputs) -> set[tuple[str, str, str]]:
    """(model, benchmark, attack) of the attacks that failed their control."""
    table = trigger_controls(inputs)
    return set(table.loc[table["passed"].eq(False), list(PLACE)].itertuples(index=False, name=None))
