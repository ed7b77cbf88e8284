"""Everything that the study measures of a cell, one number a cell: what claims to see knowledge, or its absence."""

from collections.abc import Iterator, Sequence

import pandas

from unlearning_robustness.analysis.attacked import budget_points
from unlearning_robustness.analysis.inputs import CELL, Inputs
from unlearning_robustness.analysis.intervals import fact_matrix, paired
from unlearning_robustness.analysis.memorisation import area_under_curve
from unlearning_robustness.config.cells import KIND, NONE

# What a measure is called: its family, its name, where it was taken, and the attack before which it was not taken.
NAMES = ["family", "measure", "at", "attack", "point"]
# Families of measures: what a model answers, how it reacts to small changes, what it remembers, what its activations
# show, and how far it moved.
FAMILIES = ("answers", "sharpness", "memorisation", "latents", "weights")
ANSWERS, SHARPNESS, MEMORISATION, LATENTS, WEIGHTS = FAMILIES
FORGET, HOLDOUT, MEMBERSHIP = "forget", "holdout", "min-k"
MOVED = ("weight_change", "perplexity")


def cell_measures(inputs: Inputs) -> pandas.DataFrame:
    """One row a cell and measure, with its ``value``.

    ``at`` is the radius, layer or the like of a measure that has several. ``attack`` and ``point`` say after which
    attack it was taken: at the largest budget, or at each setting where that is the budget.
    """
    frames = [*_answers(inputs), _sharpness(inputs), _memorisation(inputs), _latents(inputs), *_moved(inputs)]
    defaults = {"at": "", "attack": NONE, "point": ""}
    filled = [frame.assign(**{key: value for key, value in defaults.items() if key not in frame}) for frame in frames]
    rows = [frame[[*CELL, *NAMES, "value"]] for frame in filled if len(frame)]
    return pandas.concat(rows, ignore_index=True) if rows else pandas.DataFrame(columns=[*CELL, *NAMES, "value"])


def _answers(inputs: Inputs) -> Iterator[pandas.DataFrame]:
    """Accuracy and probability on the forget questions, before and after attacks, and what each attack adds."""
    for name in inputs.measures:
        measured = inputs.measured_by(name)
        plain = measured.plain[measured.plain["role"] == FORGET]
        for kind, part in plain.groupby(KIND):
            yield _by_seed(fact_matrix(part), kind, measure=name)
        attacked = largest_budgets(measured)
        before = starts(measured, attacked)
        for (*kind, attack, point), part in attacked.groupby([*KIND, "attack", "point"]):
            level, after = fact_matrix(part), {"attack": attack, "point": point}
            yield _by_seed(level, kind, measure=name, **after)
            yield _by_seed(paired(level, before[tuple(kind)]), kind, measure=f"{name} gain", **after)


def largest_budgets(inputs: Inputs) -> pandas.DataFrame:
    """The attacked answers to forget questions at each attack's largest budget: of most documents, the most steps."""
    attacked = inputs.attacked[inputs.attacked["role"] == FORGET]
    for budget in ("documents", "steps"):
        attacked = attacked[attacked[budget] == attacked.groupby("attack")[budget].transform("max")]
    return attacked.assign(point=budget_points(attacked) if len(attacked) else "")


def starts(inputs: Inputs, attacked: pandas.DataFrame) -> dict[tuple, pandas.DataFrame]:
    """By kind of cell the answers before an attack (seeds, facts), to the questions that ``attacked`` asks."""
    plain = inputs.plain[inputs.plain["question"].isin(attacked["question"].unique())]
    return {kind: fact_matrix(part) for kind, part in plain.groupby(KIND)}


def _by_seed(values: pandas.DataFrame, kind: Sequence[str], **named: str) -> pandas.DataFrame:
    """Means over facts of values (seeds, facts), one row a seed."""
    means = values.mean(axis=1)
    columns = {**dict(zip(KIND, kind, strict=True)), "family": ANSWERS, **named}
    return pandas.DataFrame({"seed": means.index, "value": means.to_numpy(float)}).assign(**columns)


def _sharpness(inputs: Inputs) -> pandas.DataFrame:
    measured = inputs.recorded["sharpness"]
    return measured.assign(family=SHARPNESS, measure=measured["statistic"], at=measured["at"].map(_short))


def _memorisation(inputs: Inputs) -> pandas.DataFrame:
    """AUC of membership inference, 1 where every forget text stands out, and the means of all else."""
    recorded, rows = inputs.recorded["memorisation"], []
    for keys, part in recorded.groupby([*CELL, "attack", "metric"], sort=True):
        by_role = {role: scores["value"].to_numpy() for role, scores in part.groupby("role")}
        if FORGET not in by_role or (keys[-1] == MEMBERSHIP and HOLDOUT not in by_role):
            continue
        value = by_role[FORGET].mean()
        if keys[-1] == MEMBERSHIP:
            value = 1 - area_under_curve(by_role[FORGET], by_role[HOLDOUT])
        rows.append((*keys, value))
    table = pandas.DataFrame(rows, columns=[*CELL, "attack", "measure", "value"])
    return table.assign(family=MEMORISATION)


def _latents(inputs: Inputs) -> pandas.DataFrame:
    """Statistics of activations at the layer that the study reads."""
    measured, settings = inputs.recorded["latents"], inputs.settings.get("latents") or {}
    here = measured["layer"].eq(settings.get("read_layer")) & measured["position"].eq(settings.get("eta_position"))
    measured = measured[here]
    at = measured["contrast"].astype(str) + measured["at"].map(lambda value: f" {_short(value)}" if value else "")
    return measured.assign(family=LATENTS, measure=measured["statistic"], at=at)


def _moved(inputs: Inputs) -> Iterator[pandas.DataFrame]:
    measured = inputs.recorded["measures"]
    for name in [name for name in MOVED if name in measured]:
        yield measured.assign(family=WEIGHTS, measure=name, value=measured[name].astype(float)).dropna(subset="value")


def _short(value: float) -> str:
    return f"{value:g}"
