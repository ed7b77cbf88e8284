"""Accuracy without an attack: of every cell, between defences, and what a forget token does to it."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import effect_table, estimates, fact_matrix, paired
from unlearning_robustness.analysis.pairs import paired_differences
from unlearning_robustness.config.cells import KIND, PLACE

READS = ("answers",)
SETTINGS = ("defences", "probes")
COMPARED = [*PLACE, "method", "role", "probe"]


def accuracy(inputs: Inputs) -> pandas.DataFrame:
    """Accuracy of every method and defence on every probe and role."""
    return estimates(inputs.unattacked, [*KIND, "role", "probe"], inputs.intervals)


def differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences between defences of one method, first - second, on every probe and role."""
    return effect_table(difference_values(inputs), [*COMPARED, "first", "second"], inputs.intervals)


def difference_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``differences`` are means of: (names, values (seeds, facts))."""
    for values, part in inputs.unattacked.groupby(COMPARED, sort=True):
        matrices = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        yield from paired_differences(matrices, inputs.pairs, dict(zip(COMPARED, values, strict=True)))


def token_effects(inputs: Inputs) -> pandas.DataFrame:
    """What a forget token does to retain accuracy, per kind of cell, as paired differences.

    ``token`` is the question with a forget token less the plain one, ``control`` the one with a neutral token less the
    plain one, ``beyond_control`` forget less neutral token.
    """
    return effect_table(token_values(inputs), [*KIND, "contrast"], inputs.intervals)


def token_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``token_effects`` are means of: (names, values (seeds, facts))."""
    plain, forget, neutral = inputs.probes
    contrasts = {"token": (forget, plain), "control": (neutral, plain), "beyond_control": (forget, neutral)}
    retain = inputs.unattacked[inputs.unattacked["role"] == "retain"]
    for keys, part in retain.groupby(KIND, sort=True):
        matrices = {probe: fact_matrix(group) for probe, group in part.groupby("probe")}
        for contrast, (first, second) in contrasts.items():
            yield (
                {**dict(zip(KIND, keys, strict=True)), "contrast": contrast},
                paired(matrices[first], matrices[second]),
            )


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
    return estimates(pandas.concat(parts), [*KIND, "tokens", "count"], inputs.intervals)
