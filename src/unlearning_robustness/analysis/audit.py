"""Models that were unlearned elsewhere, beside the model before unlearning and the one that never knew."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas

from unlearning_robustness.analysis import matrix
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect, fact_matrix
from unlearning_robustness.config.cells import NONE, PLACE, REFERENCE

READS = ("answers", "attacked")
SETTINGS = ("defences", "methods")
ASKED = ["role", "probe", "attack"]
COLUMNS = [*PLACE, "method", *ASKED, "setting", "against", "level", "other", *Effect.__dataclass_fields__]
# Columns of the matrix in which nothing attacks.
UNATTACKED = {matrix.RETAIN, matrix.TOKEN, matrix.FORGET}


@dataclass(frozen=True)
class Asked:
    """Answers of one model to one set of questions, under one attack; ``setting`` says at which of its points."""

    answers: pandas.DataFrame
    setting: str = ""


def audit(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences of every model that comes from a checkpoint: model - ``against``, question by question.

    ``against`` is the reference, or ``analysis.yardstick``, the model that never knew. Attacks are at the strength that
    is chosen on select for each side; attack ``worst`` is the worst on each. ``level`` and ``other`` are the accuracies
    of the two sides, shares of the questions.
    """
    rows = []
    for named, one, other in compared(inputs):
        effect = inputs.intervals.effect(matrix.contrast([(1, one.answers), (-1, other.answers)]))
        levels = {name: _level(side) for name, side in (("level", one), ("other", other))}
        rows.append({**named, "setting": one.setting, **levels, **vars(effect)})
    return pandas.DataFrame(rows, columns=COLUMNS)


def compared(inputs: Inputs) -> Iterator[tuple[dict, Asked, Asked]]:
    """(names, one side, the other) of every comparison that both sides were asked for."""
    checkpoints = [name for name, entry in inputs.settings.get("methods", {}).items() if "checkpoint" in entry]
    never = inputs.analysis.get("yardstick")
    by_model = _asked(inputs, [REFERENCE, *checkpoints])
    for (*place, method), sets in by_model.items():
        for against in [REFERENCE, *([never] if never else [])] if method not in (REFERENCE, never) else ():
            others = by_model.get((*place, against), {})
            for asked in [asked for asked in sets if asked in others]:
                named = dict(zip([*PLACE, "method", *ASKED, "against"], (*place, method, *asked, against), strict=True))
                yield named, sets[asked], others[asked]


def _asked(inputs: Inputs, methods: list[str]) -> dict[tuple, dict[tuple, Asked]]:
    """By (model, benchmark, method) and (role, probe, attack) what was answered."""
    plain, by_model = inputs.probes[0], {}
    unattacked = inputs.unattacked[inputs.unattacked["method"].isin(methods)]
    for (*model, role, probe), answers in unattacked.groupby([*PLACE, "method", "role", "probe"], sort=False):
        by_model.setdefault(tuple(model), {})[role, probe, NONE] = Asked(answers)
    for (*model, defence), columns in matrix.entries(inputs).items():
        for column in sorted(columns.keys() - UNATTACKED) if defence == NONE and tuple(model) in by_model else ():
            entry = columns[column]
            by_model[tuple(model)][matrix.FORGET, plain, column] = Asked(entry.answers, entry.setting)
    return by_model


def _level(side: Asked) -> float:
    return float(fact_matrix(side.answers).to_numpy().mean())
