"""The table of MUSE (arXiv 2407.06460): memorisation and privacy leakage, before and after an attack."""

from dataclasses import dataclass

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect, Estimate
from unlearning_robustness.config.cells import KIND, NONE, PLACE, RETRAINED

READS = ("memorisation",)
SETTINGS = ("memorisation",)
COLUMNS = [*KIND, "attack", "metric", "role", *Estimate.__dataclass_fields__]
PERCENT = 100.0


def area_under_curve(forget: numpy.ndarray, holdout: numpy.ndarray) -> float:
    """How often a hold-out text scores above a forget text, ties counted half; of scores (F,) and (H,), by ranks.

    MUSE's order: 0.5 when nothing tells them apart, 0 when the model betrays every forget text.
    """
    ranks = pandas.Series(numpy.concatenate([forget, holdout])).rank().to_numpy()
    count = len(holdout)
    return float((ranks[len(forget) :].sum() - count * (count + 1) / 2) / (count * len(forget)))


def privacy_leakage(auc: float | numpy.ndarray, retrained: float | numpy.ndarray) -> numpy.ndarray:
    """100 (AUC - AUC of the retrained model) / AUC of the retrained model, of numbers or arrays; NaN where that is 0.

    Below 0 the model still betrays the forget texts; above 0 it betrays that they were unlearned.
    """
    return PERCENT * (numpy.asarray(auc) / numpy.where(numpy.asarray(retrained) > 0, retrained, numpy.nan) - 1)


def leakage(scores: pandas.DataFrame, retrained: pandas.DataFrame | float, bootstrap: CrossedBootstrap) -> Estimate:
    """Privacy leakage of the Min-k % scores of one kind of cell, mean over its seeds.

    ``retrained`` has the scores of the same texts under the retrained model, or is its AUC. The interval draws forget
    texts, hold-out texts and seeds; both models are drawn the same texts.
    """
    areas = _areas(scores, retrained, bootstrap)
    possible = areas.drawn[1] > 0
    leaked = privacy_leakage(areas.drawn[0], areas.drawn[1])[possible]
    bounds = bootstrap.interval(leaked) if areas.means[1] else (numpy.nan, numpy.nan)
    return Estimate(float(privacy_leakage(*areas.means)), *bounds, areas.texts, areas.seeds)


def membership_difference(scores: pandas.DataFrame, retrained: pandas.DataFrame, bootstrap: CrossedBootstrap) -> Effect:
    """AUC of membership inference on one kind of cell less that on the retrained model, with ``leakage``'s interval.

    Here the AUC is how often a forget text scores above a hold-out text: 0.5 when nothing tells them apart, 1 when the
    model betrays every forget text.
    """
    areas = _areas(scores, retrained, bootstrap)
    bounds = bootstrap.interval(areas.drawn[1] - areas.drawn[0])
    missing = [numpy.nan] * 3
    return Effect(areas.means[1] - areas.means[0], *bounds, areas.texts, areas.seeds, *missing)


@dataclass(frozen=True)
class _Areas:
    """AUCs of one kind of cell and of the retrained model: their ``means``, and those of each draw (samples,)."""

    means: tuple[float, float]
    drawn: tuple[numpy.ndarray, numpy.ndarray]
    texts: int
    seeds: int


def _areas(scores: pandas.DataFrame, retrained: pandas.DataFrame | float, bootstrap: CrossedBootstrap) -> _Areas:
    """Both AUCs, and those of every draw of forget texts, hold-out texts and seeds; both models have the same texts."""
    forget, holdout = _by_seed(scores)
    auc = float(numpy.mean([area_under_curve(*pair) for pair in zip(forget, holdout, strict=True)]))
    counts = (forget.shape[1], holdout.shape[1], len(forget))
    random = numpy.random.default_rng(bootstrap.seed)
    by_forget, by_holdout, by_seed = (bootstrap.weights(count, random) for count in counts)

    def areas(weights: numpy.ndarray, pairs: numpy.ndarray) -> numpy.ndarray:
        return numpy.einsum("bs,bf,bh,sfh->b", weights, by_forget, by_holdout, pairs, optimize=True)

    if isinstance(retrained, float):
        base, base_drawn = retrained, numpy.full(bootstrap.samples, retrained)
    else:
        never = _by_seed(retrained)
        base, once = area_under_curve(never[0][0], never[1][0]), numpy.ones((bootstrap.samples, 1))
        base_drawn = areas(once, _pairs(*never)[:1])
    drawn = areas(by_seed, _pairs(forget, holdout))
    return _Areas((auc, base), (drawn, base_drawn), counts[0] + counts[1], counts[2])


def _by_seed(scores: pandas.DataFrame) -> list[numpy.ndarray]:
    """Scores of the forget texts (S, F) and of the hold-out texts (S, H)."""
    roles = (scores[scores["role"] == role] for role in ("forget", "holdout"))
    return [part.pivot(index="seed", columns="item", values="value").to_numpy(float) for part in roles]


def _pairs(forget: numpy.ndarray, holdout: numpy.ndarray) -> numpy.ndarray:
    """(S, F, H): 1 where the hold-out text of a pair scores higher, 0.5 where both are equal."""
    above = holdout[:, None, :] - forget[:, :, None]
    return (above > 0) + 0.5 * (above == 0)


def memorisation(inputs: Inputs) -> pandas.DataFrame:
    """Every metric of every kind of cell and of the retrained model, unattacked and after the attack, in percent.

    ``verbatim`` and ``knowledge`` are mean ROUGE-L times 100, each with its recall; ``privacy-leakage`` compares with
    the unattacked retrained model. ``facts`` counts texts or questions. TOFU's records have a table of their own.
    """
    records, settings, rows = inputs.recorded["memorisation"], inputs.settings.get("memorisation", {}), []
    if settings.get("protocol") == "tofu":
        return pandas.DataFrame(columns=COLUMNS)
    for keys, part in records[records["metric"] != "min-k"].groupby([*KIND, "attack", "metric", "role"], sort=True):
        values = part.pivot(index="seed", columns="item", values="value")
        rows.append([*keys, *vars(inputs.intervals.share(values).scaled(PERCENT)).values()])
    scores = records[records["metric"] == "min-k"]
    constant = settings.get("retrain", {}).get("auc")
    for keys, part in scores.groupby([*KIND, "attack"], sort=True):
        never = never_trained(scores, keys) if constant is None else float(constant)
        rows.append([*keys, "privacy-leakage", "forget", *vars(leakage(part, never, inputs.bootstrap)).values()])
    return pandas.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:7], ignore_index=True)


def never_trained(records: pandas.DataFrame, keys: tuple) -> pandas.DataFrame:
    """The records of the unattacked model that never saw the forget texts, of the model and benchmark of ``keys``."""
    chosen = records[(records["method"] == RETRAINED) & (records["attack"] == NONE)]
    for axis, value in zip(PLACE, keys, strict=False):
        chosen = chosen[chosen[axis] == value]
    return chosen
