"""Accuracy by relation (of MMLU: by subject), and its two averages over them."""

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, fact_matrix
from unlearning_robustness.config.cells import KIND

READS = ("answers",)
SETTINGS = ()
# By question, as lm-eval's groups weight by size; and every relation alike.
MICRO, MACRO = "micro average", "macro average"


def relations(inputs: Inputs) -> pandas.DataFrame:
    """Accuracy on the plain questions of each relation of a role, of every kind of cell, and both averages."""
    keys, rows = [*KIND, "role"], []
    for values, part in inputs.plain.groupby(keys, sort=True):
        matrices = {name: fact_matrix(answers) for name, answers in part.groupby("relation", sort=True)}
        accuracies = {name: inputs.intervals.share(matrix) for name, matrix in matrices.items()}
        accuracies |= {MICRO: inputs.intervals.share(fact_matrix(part)), MACRO: macro(part, inputs.bootstrap)}
        rows += [[*values, name, *vars(estimate).values()] for name, estimate in accuracies.items()]
    return pandas.DataFrame(rows, columns=[*keys, "relation", *Estimate.__dataclass_fields__])


def macro(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> Estimate:
    """Mean over relations of their accuracies; a draw without any fact of a relation leaves that one out."""
    matrix = fact_matrix(records)
    owner = records.drop_duplicates("fact").set_index("fact")["relation"].loc[matrix.columns].to_numpy()
    values, random = matrix.to_numpy(float), numpy.random.default_rng(bootstrap.seed)
    by_seed, by_fact = (bootstrap.weights(count, random) for count in values.shape)
    means, drawn = [], []
    for name in sorted(set(owner)):
        own = owner == name
        weights = by_fact[:, own].sum(axis=1)
        drawn.append(numpy.einsum("bs,sf,bf->b", by_seed, values[:, own], by_fact[:, own], optimize=True))
        drawn[-1] = numpy.where(weights > 0, drawn[-1] / numpy.where(weights > 0, weights, 1), numpy.nan)
        means.append(values[:, own].mean())
    seeds, facts = values.shape
    return Estimate(float(numpy.mean(means)), *bootstrap.interval(numpy.nanmean(drawn, axis=0)), facts, seeds)
