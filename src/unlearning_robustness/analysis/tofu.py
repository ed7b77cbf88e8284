"""The table of TOFU (arXiv 2401.06121): its metrics on every role, forget quality and model utility."""

from collections.abc import Iterator

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate
from unlearning_robustness.analysis.memorisation import never_trained
from unlearning_robustness.config.cells import KIND
from unlearning_robustness.evaluation.tofu import (
    UTILITY_ROLES,
    forget_quality,
    model_utility,
    retain_log,
    truth_of_forget,
    truth_of_utility,
)

READS = ("memorisation", "retain_log")
SETTINGS = ("memorisation",)
COLUMNS = [*KIND, "attack", "metric", "role", *Estimate.__dataclass_fields__]
METRICS = ("probability", "rouge-recall", "truth")


def tofu(inputs: Inputs) -> pandas.DataFrame:
    """Every metric of every kind of cell and of the retain-only model, unattacked and after the attack, in 0..1.

    ``truth`` is the truth ratio r as TOFU sums it up: min(r, 1/r) on the forget set, max(0, 1 - r) elsewhere. Of
    ``forget-quality``, the p-value, its base-10 logarithm and the statistic of its test the bounds are the lowest and
    the highest seed: a p-value has no interval. It is missing without a retain-only model of the same place.
    """
    records, bootstrap, rows = inputs.recorded["memorisation"], inputs.bootstrap, []
    if inputs.settings.get("memorisation", {}).get("protocol") != "tofu":
        return pandas.DataFrame(columns=COLUMNS)
    logs = inputs.recorded.get("retain_log")
    published = retain_log(logs[0]) if logs else None
    for keys, part in records.groupby([*KIND, "attack"], sort=True):
        matrices = _matrices(part)
        rows += [
            [*keys, metric, role, *vars(inputs.intervals.share(m)).values()] for (metric, role), m in matrices.items()
        ]
        rows.append([*keys, "model-utility", "", *vars(_utility(matrices, bootstrap)).values()])
        never = _never(records, keys) if published is None else published
        rows += [[*keys, metric, "forget", *vars(estimate).values()] for metric, estimate in _quality(part, never)]
    return pandas.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:7], ignore_index=True)


def _matrices(part: pandas.DataFrame) -> dict[tuple[str, str], pandas.DataFrame]:
    """(metric, role) to values, one row a seed, one column a question; the truth ratio becomes ``truth``."""
    matrices = {}
    for (metric, role), rows in part.groupby(["metric", "role"]):
        matrix = rows.pivot(index="seed", columns="item", values="value")
        if metric == "truth-ratio":
            metric, matrix = "truth", (truth_of_forget if role == "forget" else truth_of_utility)(matrix)
        matrices[metric, role] = pandas.DataFrame(matrix)
    return matrices


def _utility(matrices: dict[tuple[str, str], pandas.DataFrame], bootstrap: CrossedBootstrap) -> Estimate:
    """Model utility; every draw of questions and seeds computes the nine means and their harmonic mean anew."""
    nine = [matrices[metric, role].to_numpy(float) for role in UTILITY_ROLES for metric in METRICS]
    drawn = model_utility(numpy.stack([bootstrap.drawn(values) for values in nine]))
    value = float(model_utility(numpy.array([values.mean() for values in nine])))
    return Estimate(value, *bootstrap.interval(drawn), sum(values.shape[1] for values in nine[::3]), len(nine[0]))


def _never(records: pandas.DataFrame, keys: tuple) -> numpy.ndarray:
    """Truth ratios of the forget set under the unattacked retain-only model of the same model and benchmark, (N,)."""
    rows = never_trained(records, keys)
    return rows.loc[(rows["metric"] == "truth-ratio") & (rows["role"] == "forget"), "value"].to_numpy(float)


def _quality(part: pandas.DataFrame, never: numpy.ndarray) -> Iterator[tuple[str, Estimate]]:
    ratios = part[(part["metric"] == "truth-ratio") & (part["role"] == "forget")]
    if not len(never):
        return
    tests = [forget_quality(rows["value"].to_numpy(float), never) for _, rows in ratios.groupby("seed")]
    pvalues, statistics = map(numpy.array, zip(*tests, strict=True))
    count = ratios["item"].nunique()
    with numpy.errstate(divide="ignore"):
        logarithms = numpy.log10(pvalues)
    for metric, values in (
        ("forget-quality", pvalues),
        ("forget-quality-log10", logarithms),
        ("forget-quality-statistic", statistics),
    ):
        yield metric, Estimate(float(values.mean()), float(values.min()), float(values.max()), count, len(values))
