"""Crossed bootstrap over facts and seeds.

The questions of one fact are one cluster, seeds are a second factor: both are drawn with replacement, so an
interval covers other facts and other seeds. Differences are paired: the same draw for both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

# A share of variance that is left by rounding alone.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean with the bounds of its interval, in the unit of the data, and what it rests on."""

    mean: float
    low: float
    high: float
    facts: int
    seeds: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def fact_matrix(records: pandas.DataFrame) -> pandas.DataFrame:
    """Mean correctness, one row a seed, one column a fact (mean over its questions); NaN where nothing was asked.

    Counted by hand: a study's tables ask for thousands of these, and ``pivot_table`` takes ten times as long.
    """
    row, seeds = pandas.factorize(records["seed"], sort=True)
    column, facts = pandas.factorize(records["fact"], sort=True)
    cell, size = row * len(facts) + column, len(seeds) * len(facts)
    questions = numpy.bincount(cell, minlength=size)
    correct = numpy.bincount(cell, weights=records["correct"], minlength=size)
    with numpy.errstate(invalid="ignore"):
        means = (correct / questions).reshape(len(seeds), len(facts))
    return pandas.DataFrame(means, pandas.Index(seeds, name="seed"), pandas.Index(facts, name="fact"), copy=False)


@dataclass(frozen=True)
class CrossedBootstrap:
    """``samples`` draws, two-sided ``confidence``; the same seed gives the same draws."""

    samples: int
    confidence: float
    seed: int

    def weights(self, count: int, random: numpy.random.Generator) -> numpy.ndarray:
        """Shares (samples, count) of the drawn: how often each of ``count`` is drawn, over ``count``."""
        return random.multinomial(count, numpy.full(count, 1 / count), size=self.samples) / count

    def interval(self, drawn: numpy.ndarray) -> tuple[float, float]:
        """The bounds of the middle ``confidence`` of drawn statistics."""
        tail = (1 - self.confidence) / 2
        low, high = numpy.quantile(drawn, [tail, 1 - tail])
        return float(low), float(high)

    def drawn(self, values: numpy.ndarray) -> numpy.ndarray:
        """Means (samples, ...) of values (..., seeds, facts); the same draws wherever both are as many."""
        *_, seeds, facts = values.shape
        random = numpy.random.default_rng(self.seed)
        by_seed, by_fact = (self.weights(count, random) for count in (seeds, facts))
        return numpy.einsum("bs,...sf,bf->b...", by_seed, values, by_fact, optimize=True)

    def mean(self, matrix: pandas.DataFrame) -> Estimate:
        """Mean over seeds and facts of a matrix (seeds, facts). Raises ValueError when a value is missing."""
        values = matrix.to_numpy(dtype=float)
        if numpy.isnan(values).any():
            raise ValueError("every fact must be answered under every seed")
        seeds, facts = values.shape
        return Estimate(float(values.mean()), *self.interval(self.drawn(values)), facts, seeds)

    def difference(self, first: pandas.DataFrame, second: pandas.DataFrame) -> Estimate:
        """Mean of first - second, paired by fact and seed.

        A side with one row (the reference) stands for every seed. Raises ValueError when facts differ.
        """
        if list(first.columns) != list(second.columns):
            raise ValueError("a paired difference needs the same facts on both sides")
        first, second = _align(first, second)
        return self.mean(pandas.DataFrame(first.to_numpy() - second.to_numpy()))


def _align(first: pandas.DataFrame, second: pandas.DataFrame) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    if len(first) == 1 and len(second) > 1:
        first = pandas.concat([first] * len(second))
    elif len(second) == 1 and len(first) > 1:
        second = pandas.concat([second] * len(first))
    else:
        shared = first.index.intersection(second.index)
        if shared.empty:
            raise ValueError(f"no seed in common: {list(first.index)} and {list(second.index)}")
        first, second = first.loc[shared], second.loc[shared]
    return first, second


def spearman(first: Sequence[float], second: Sequence[float], given: Sequence[float] | None = None) -> float:
    """Rank correlation of ``first`` and ``second`` (N,); with ``given`` (N,) the partial one.

    The partial one is of what straight lines in the ranks of ``given`` leave of both ranks. Not a number where nothing
    varies, or nothing is left.
    """
    # Here: SciPy's statistics are half of the start of a job that correlates nothing.
    from scipy.stats import rankdata

    ranks = rankdata([first, second] if given is None else [first, second, given], axis=1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        matrix = numpy.corrcoef(ranks)
        if given is None:
            return float(matrix[0, 1])
        unexplained = 1 - matrix[:2, 2] ** 2
        unexplained[unexplained < ROUNDING] = numpy.nan
        return float((matrix[0, 1] - matrix[0, 2] * matrix[1, 2]) / numpy.sqrt(unexplained.prod()))


def estimates(records: pandas.DataFrame, keys: list[str], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Mean correctness with its interval, one row a group of ``keys``, and how many questions it rests on.

    ``tied`` is the share of answers, 0 to 1, that are an exact tie between choices, of which the first one counts.
    """
    rows = []
    for values, part in records.groupby(keys, sort=True):
        estimate = bootstrap.mean(fact_matrix(part))
        asked = {"questions": part["question"].nunique(), "tied": part["tied"].mean()}
        rows.append({**dict(zip(keys, values, strict=True)), **vars(estimate), **asked})
    return pandas.DataFrame(rows, columns=[*keys, *Estimate.__dataclass_fields__, "questions", "tied"])
