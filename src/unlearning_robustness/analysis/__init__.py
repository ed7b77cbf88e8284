"""Tables: numbers only. Each is a pure query over what was recorded, a function of ``Inputs`` that returns a frame.

A table's file says which recorded files it reads (``READS``, see ``inputs.Inputs``) and, beside ``analysis``, which
keys of the configuration (``SETTINGS``). A table of answers is computed once for each measure of them (``OF_ANSWERS``).
"""

from collections.abc import Iterable

import pandas

from unlearning_robustness.analysis import (
    accuracy,
    attack_costs,
    attack_validity,
    attacked,
    audit,
    corrected_recovery,
    costs,
    floors,
    landscape,
    latents,
    matrix,
    memorisation,
    meta_evaluation,
    pooled,
    published,
    recovery,
    relations,
    relearning,
    replicates,
    sharpness,
    tofu,
    trajectory,
    trigger_controls,
    yardstick,
)
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.significance import with_family
from unlearning_robustness.config.cells import MEASURE

TABLES = {
    "accuracy": accuracy.accuracy,
    "relations": relations.relations,
    "floors": floors.floors,
    "above_floor": floors.above_floor,
    "differences": accuracy.differences,
    "token_effects": accuracy.token_effects,
    "token_counts": accuracy.token_counts,
    "measures": costs.measures,
    "costs": costs.costs,
    "relearning": relearning.relearning,
    "early_recovery": relearning.early_recovery,
    "attacks": attacked.attacks,
    "attacked_differences": attacked.attacked_differences,
    "attack_costs": attack_costs.attack_costs,
    "attack_validity": attack_validity.attack_validity,
    "recovery": recovery.recovery,
    "recovery_differences": recovery.recovery_differences,
    "matrix": matrix.matrix,
    "matrix_differences": matrix.matrix_differences,
    "interactions": matrix.interactions,
    "audit": audit.audit,
    "sharpness": sharpness.sharpness,
    "sharpness_correlations": sharpness.sharpness_correlations,
    "landscape": landscape.landscape,
    "memorisation": memorisation.memorisation,
    "tofu": tofu.tofu,
    "latents": latents.latents,
    "rejection": latents.rejection,
    "trajectory": trajectory.trajectory,
    "complete_forgetting": trajectory.complete_forgetting,
    "yardstick": yardstick.yardstick,
    "yardstick_trajectory": yardstick.yardstick_trajectory,
    "corrected_recovery": corrected_recovery.corrected_recovery,
    "trigger_controls": trigger_controls.trigger_controls,
    "search_losses": trigger_controls.search_losses,
    "meta_evaluation": meta_evaluation.meta_evaluation,
    "meta_correlations": meta_evaluation.meta_correlations,
    "published": published.published,
    "pooled": pooled.pooled,
    "replicated": replicates.replicated,
}
# Tables whose numbers are means of answers: column ``measure`` says whether accuracy or the right choice's probability.
OF_ANSWERS = {
    "accuracy", "relations", "floors", "above_floor", "differences", "token_effects", "token_counts", "relearning",
    "early_recovery", "attacks", "attacked_differences", "recovery", "recovery_differences", "matrix",
    "matrix_differences", "interactions", "audit", "sharpness", "sharpness_correlations",
    "corrected_recovery", "replicated",
}  # fmt: skip
# Tables that one job computes, since they read the same files.
GROUPS = {
    "accuracy": (
        "accuracy", "relations", "floors", "above_floor", "differences", "token_effects", "token_counts", "measures",
        "costs",
    ),
    "recovery": (
        "relearning", "early_recovery", "attacks", "attacked_differences", "attack_costs", "attack_validity",
        "recovery", "recovery_differences",
    ),
    "matrix": ("matrix", "matrix_differences", "interactions", "audit"),
    "sharpness": ("sharpness", "sharpness_correlations", "landscape"),
    "memorisation": ("memorisation", "tofu"),
    "latents": ("latents", "rejection"),
    "trajectory": ("trajectory", "complete_forgetting"),
    "yardstick": (
        "yardstick", "yardstick_trajectory", "corrected_recovery", "meta_evaluation", "meta_correlations",
    ),
    "prompts": ("trigger_controls", "search_losses"),
    "published": ("published",),
    "claims": ("pooled", "replicated"),
}  # fmt: skip


def computed(names: Iterable[str], inputs: Inputs) -> dict[str, pandas.DataFrame]:
    """These tables by name; the p-values of the study's family of comparisons are adjusted across them."""
    # Tables of measures of cells read no answers at all.
    measures = inputs.measures if OF_ANSWERS & {*names} else []
    measured = [inputs.measured_by(measure) for measure in measures]
    tables = {name: _of_all(name, measured) if name in OF_ANSWERS else TABLES[name](inputs) for name in names}
    return with_family(tables, inputs.analysis["family"])


def _of_all(name: str, measured: list[Inputs]) -> pandas.DataFrame:
    """A table by every measure of answers, one below the other; without rows it has all columns."""
    parts = [TABLES[name](inputs) for inputs in measured]
    parts = [part.assign(**{MEASURE: inputs.measure}) for part, inputs in zip(parts, measured, strict=True)]
    return pandas.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
