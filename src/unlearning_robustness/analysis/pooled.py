"""Every claim's effect averaged over its subjects: a fixed set of methods, seeds and facts paired."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect
from unlearning_robustness.analysis.replicates import MODELS, VALUES, over_models
from unlearning_robustness.config.cells import ACCURACY, MEASURE, PLACE

READS = ("answers", "attacked")
SETTINGS = ("defences", "probes", "claims")


def pooled(inputs: Inputs) -> pandas.DataFrame:
    """One row a model, benchmark and claim: the mean over its subjects less the claim's ``minus``, with its interval.

    Subjects are averaged under each seed on each fact, so what they have in common counts once. Claims of tables that
    are no means over seeds and facts have no row. With ``analysis.replicates: models`` every row of a claim is the mean
    over all models, with an interval about other models.
    """
    rows = [(named, inputs.intervals.effect(values)) for named, values in _averages(inputs)]
    if inputs.analysis.get("replicates") == MODELS:
        of_claim = {name: [effect for named, effect in rows if named["claim"] == name] for name in _claims(inputs)}
        together = {name: over_models(effects, inputs.analysis["confidence"])
                    for name, effects in of_claim.items() if effects}  # fmt: skip
        rows = [(named, together[named["claim"]]) for named, _ in rows]
    columns = [*PLACE, "claim", "subjects", *Effect.__dataclass_fields__]
    return pandas.DataFrame([{**named, **vars(effect)} for named, effect in rows], columns=columns)


def _claims(inputs: Inputs) -> dict[str, dict]:
    """The claims about means over seeds and facts."""
    return {name: claim for name, claim in inputs.settings.get("claims", {}).items() if claim["table"] in VALUES}


def _averages(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    claims = _claims(inputs)
    asked = {name: (claim["table"], claim["where"].get(MEASURE, ACCURACY)) for name, claim in claims.items()}
    rows = {(table, measure): list(VALUES[table](inputs.measured_by(measure))) for table, measure in asked.values()}
    for name, claim in claims.items():
        where = {column: _listed(wanted) for column, wanted in claim["where"].items() if column != MEASURE}
        by_place: dict[tuple, list[pandas.DataFrame]] = {}
        for named, values in rows[asked[name]]:
            if all(named.get(column) in wanted for column, wanted in where.items()):
                by_place.setdefault(tuple(named[key] for key in PLACE), []).append(values)
        for place, subjects in by_place.items():
            named = {**dict(zip(PLACE, place, strict=True)), "claim": name, "subjects": len(subjects)}
            yield named, average(subjects) - claim["minus"]


def average(subjects: list[pandas.DataFrame]) -> pandas.DataFrame:
    """Mean of values (seeds, facts), on the seeds that all have; one row (the reference) stands for every seed."""
    several = [values for values in subjects if len(values) > 1] or subjects
    seeds = sorted(set.intersection(*(set(values.index) for values in several)))
    if not seeds:
        raise ValueError("subjects without a common seed cannot be pooled")
    rows = [
        values.loc[seeds] if len(values) > 1 else values.iloc[[0] * len(seeds)].set_axis(seeds) for values in subjects
    ]
    return sum(rows) / len(rows)


def _listed(wanted) -> list:
    return wanted if isinstance(wanted, list) else [wanted]
