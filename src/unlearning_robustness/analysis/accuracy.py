"""Accuracy without an attack: of every cell, between defences, and what a forget token does to it."""

import pandas

from unlearning_robustness.analysis.bootstrap import Estimate, estimates, fact_matrix
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.pairs import paired_differences
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers",)
SETTINGS = ("defences", "probes")


def accuracy(inputs: Inputs) -> pandas.DataFrame:
    """Accuracy of every method and defence on every probe and role."""
    return estimates(inputs.unattacked, [*KIND, "role", "probe"], inputs.bootstrap)


def differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences between defences of one method, first - second, on every probe and role."""
    keys, rows = [*PLACE, "method", "role", "probe"], []
    for values, part in inputs.unattacked.groupby(keys, sort=True):
        matrices = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        rows += paired_differences(matrices, inputs.pairs, dict(zip(keys, values, strict=True)), inputs.bootstrap)
    return pandas.DataFrame(rows, columns=[*keys, "first", "second", *Estimate.__dataclass_fields__])


def token_effects(inputs: Inputs) -> pandas.DataFrame:
    """What a forget token does to retain accuracy, per kind of cell, as paired differences.

    ``token`` is the question with a forget token less the plain one, ``control`` the one with a neutral token less the
    plain one, ``beyond_control`` forget less neutral token.
    """
    plain, forget, neutral = inputs.probes
    contrasts = {"token": (forget, plain), "control": (neutral, plain), "beyond_control": (forget, neutral)}
    retain, rows = inputs.unattacked[inputs.unattacked["role"] == "retain"], []
    for keys, part in retain.groupby(KIND, sort=True):
        matrices = {probe: fact_matrix(group) for probe, group in part.groupby("probe")}
        for contrast, (first, second) in contrasts.items():
            estimate = inputs.bootstrap.difference(matrices[first], matrices[second])
            rows.append({**dict(zip(KIND, keys, strict=True)), "contrast": contrast, **vars(estimate)})
    return pandas.DataFrame(rows)


def token_counts(inputs: Inputs) -> pandas.DataFrame:
    """Retain accuracy by number of tokens before the question, on the facts that are asked with every number."""
    counts = {
        name: [(kind, probe["count"]) for kind in ("forget", "neutral") if probe["insert"] in (kind, "none")]
        for name, probe in inputs.settings["probes"].items()
        if probe["mode"] in ("plain", "prefix") and probe["vocabulary"] == "entities"
    }
    records = inputs.unattacked
    retain = records[(records["role"] == "retain") & records["probe"].isin(counts)]
    probes = retain.groupby("fact")["probe"].nunique()
    retain = retain[retain["fact"].isin(probes.index[probes == probes.max()])]
    parts = [
        retain[retain["probe"] == name].assign(tokens=kind, count=count)
        for name, kinds in counts.items()
        for kind, count in kinds
    ]
    return estimates(pandas.concat(parts), [*KIND, "tokens", "count"], inputs.bootstrap)
