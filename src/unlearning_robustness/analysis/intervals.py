"""Means over seeds and facts with t intervals, chosen by simulated coverage (docs/measurement.md).

The questions of one fact are one cluster, seeds are a second factor: an interval covers other facts and other seeds.
The mean's error has the three components of ``power.Spread``, estimated from mean squares and never below zero, and
Satterthwaite's degrees of freedom. What is no mean (ratios, crossings) keeps the crossed bootstrap.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy
import pandas
from scipy.special import stdtr, stdtrit

from unlearning_robustness.analysis.power import Spread

# Below so many facts whose answers differ at all, the spread of differences says nothing about those that may.
FEW = 5


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

    def scaled(self, factor: float) -> "Estimate":
        """In another unit."""
        return replace(self, mean=factor * self.mean, low=factor * self.low, high=factor * self.high)


@dataclass(frozen=True)
class Effect(Estimate):
    """The mean of signed values: with its standard error, degrees of freedom, and two-sided p-value against zero.

    The p-value is that of the interval: below 1 - confidence where the interval leaves out zero.
    """

    error: float
    freedom: float
    p: float


@dataclass(frozen=True)
class Intervals:
    """Two-sided intervals of ``confidence`` of matrices (seeds, facts); ValueError when a value is missing.

    One seed says nothing about others: the interval of a matrix with one row is about other facts alone.
    """

    confidence: float

    def share(self, matrix: pandas.DataFrame) -> Estimate:
        """Mean of values between 0 and 1, with Wilson's interval for the number of facts that the error is worth.

        That is m (1 - m) / error^2 of a mean m (Korn and Graubard 1998), and the number of facts where nothing varies:
        so all answers right do not prove that every fact is known.
        """
        values = _complete(matrix)
        seeds, facts = values.shape
        mean = float(values.mean())
        error, freedom = _error(values)
        if facts == 1:
            return Estimate(mean, 0.0, 1.0, facts, seeds)
        worth = mean * (1 - mean) / error**2 if error else facts
        square = self._quantile(freedom) ** 2 / worth if worth > 0 else 0.0
        centre = (mean + square / 2) / (1 + square)
        half = math.sqrt(square * mean * (1 - mean) + square**2 / 4) / (1 + square)
        # Rounding can leave a bound that is the mean itself on its other side.
        low, high = min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))
        return Estimate(mean, low, high, facts, seeds)

    def effect(self, matrix: pandas.DataFrame) -> Effect:
        """Mean of signed values with its t interval.

        Where fewer than ``FEW`` facts differ from zero, the error is at least that of an effect which escapes so many
        facts with the chance of one tail: (1 - tail^(1 / facts)) of the largest value (1 where all are zero).
        """
        values = _complete(matrix)
        seeds, facts = values.shape
        mean, reach = float(values.mean()), float(numpy.abs(values).max()) or 1.0
        if facts == 1:
            return Effect(mean, min(-1.0, -reach), max(1.0, reach), facts, seeds, math.inf, 0.0, 1.0)
        error, freedom = _error(values)
        quantile = self._quantile(freedom)
        if numpy.any(values, axis=0).sum() < FEW:
            error = max(error, reach * (1 - ((1 - self.confidence) / 2) ** (1 / facts)) / quantile)
        bound = max(1.0, reach)
        low, high = max(-bound, mean - quantile * error), min(bound, mean + quantile * error)
        p = float(2 * stdtr(freedom, -abs(mean) / error)) if error else float(mean == 0)
        return Effect(mean, low, high, facts, seeds, error, freedom, p)

    def difference(self, first: pandas.DataFrame, second: pandas.DataFrame) -> Effect:
        """Mean of first - second, paired by fact and seed, see ``paired``."""
        return self.effect(paired(first, second))

    def _quantile(self, freedom: float) -> float:
        return float(stdtrit(freedom, (1 + self.confidence) / 2))


def paired(first: pandas.DataFrame, second: pandas.DataFrame) -> pandas.DataFrame:
    """First - second (seeds, facts), by fact and seed.

    A side with one row (the reference) stands for every seed. Raises ValueError when facts differ or no seed is common.
    """
    if list(first.columns) != list(second.columns):
        raise ValueError("a paired difference needs the same facts on both sides")
    if len(first) == 1 and len(second) > 1:
        return first.iloc[0] - second
    if len(second) == 1 and len(first) > 1:
        return first - second.iloc[0]
    shared = first.index.intersection(second.index)
    if shared.empty:
        raise ValueError(f"no seed in common: {list(first.index)} and {list(second.index)}")
    return first.loc[shared] - second.loc[shared]


def fact_matrix(records: pandas.DataFrame) -> pandas.DataFrame:
    """Mean ``value``, one row a seed, one column a fact (mean over its questions); NaN where nothing was asked.

    Counted by hand: a study's tables ask for thousands of these, and ``pivot_table`` takes ten times as long.
    """
    row, seeds = pandas.factorize(records["seed"], sort=True)
    column, facts = pandas.factorize(records["fact"], sort=True)
    cell, size = row * len(facts) + column, len(seeds) * len(facts)
    questions = numpy.bincount(cell, minlength=size)
    total = numpy.bincount(cell, weights=records["value"], minlength=size)
    with numpy.errstate(invalid="ignore"):
        means = (total / questions).reshape(len(seeds), len(facts))
    return pandas.DataFrame(means, pandas.Index(seeds, name="seed"), pandas.Index(facts, name="fact"), copy=False)


def effect_table(
    effects: Iterable[tuple[dict, pandas.DataFrame]], keys: list[str], intervals: Intervals
) -> pandas.DataFrame:
    """One row a (named, values (seeds, facts)), with the interval of the mean; ``keys`` are the names' columns."""
    rows = [{**named, **vars(intervals.effect(values))} for named, values in effects]
    return pandas.DataFrame(rows, columns=[*keys, *Effect.__dataclass_fields__])


def estimates(records: pandas.DataFrame, keys: list[str], intervals: Intervals) -> pandas.DataFrame:
    """Mean ``value`` with its interval, one row a group of ``keys``, and how many questions it rests on.

    ``tied`` is the share of answers, 0 to 1, that are an exact tie between choices, of which the first one counts.
    """
    rows = []
    for values, part in records.groupby(keys, sort=True):
        estimate = intervals.share(fact_matrix(part))
        asked = {"questions": part["question"].nunique(), "tied": part["tied"].mean()}
        rows.append({**dict(zip(keys, values, strict=True)), **vars(estimate), **asked})
    return pandas.DataFrame(rows, columns=[*keys, *Estimate.__dataclass_fields__, "questions", "tied"])


def _complete(matrix: pandas.DataFrame) -> numpy.ndarray:
    values = matrix.to_numpy(dtype=float)
    if numpy.isnan(values).any():
        raise ValueError("every fact must be answered under every seed")
    return values


def _error(values: numpy.ndarray) -> tuple[float, float]:
    """Standard error of the mean of values (seeds, facts), and its degrees of freedom: infinite without an error."""
    spread = Spread.of(values)
    return spread.standard_error(*values.shape), spread.degrees_of_freedom(*values.shape) or math.inf
