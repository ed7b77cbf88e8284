"""What a study can show at its numbers of seeds and facts: the smallest effect that it finds four times in five.

An effect d of seed s on fact f is its mean + a_s + b_f + e_sf, independent, with standard deviations ``Spread``. The
mean over S seeds and F facts then has the variance seed^2 / S + fact^2 / F + residual^2 / (S F), estimated with
Satterthwaite's degrees of freedom. The intervals of means (``intervals.Intervals``) are of t quantiles with these.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy
from scipy.special import ndtri, stdtrit

# How often an effect of the size that is named is found.
POWER = 0.8
# Share of the variance between facts that several subjects, such as methods, have in common: a round figure.
COMMON = 0.2
# A variance, of shares or percent, that rounding alone leaves.
ROUNDING = 1e-20
# A study of more seeds is none that anybody runs.
MOST_SEEDS = 100


@dataclass(frozen=True)
class Spread:
    """Standard deviations of an effect, in its unit: between seeds, between facts, and of what both leave."""

    seed: float
    fact: float
    residual: float

    @classmethod
    def of(cls, values: numpy.ndarray) -> "Spread":
        """Estimated from values (seeds, facts) by their mean squares; a component below zero is none.

        With one seed all of the spread is between facts, with one fact between seeds.
        """
        seeds, facts = values.shape
        if seeds == 1 or facts == 1:
            deviation = math.sqrt(variance) if values.size > 1 and (variance := values.var(ddof=1)) > ROUNDING else 0.0
            return cls(0.0, deviation, 0.0) if seeds == 1 else cls(deviation, 0.0, 0.0)
        by_seed, by_fact = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
        residual = ((values - by_seed - by_fact + values.mean()) ** 2).sum() / (seeds - 1) / (facts - 1)
        seed, fact = (max(0.0, means.var(ddof=1) - residual / count)
                      for means, count in ((by_seed, facts), (by_fact, seeds)))  # fmt: skip
        return cls(*(math.sqrt(variance) if variance > ROUNDING else 0.0 for variance in (seed, fact, residual)))

    def scaled(self, factor: float) -> "Spread":
        """In another unit, or of an effect that spreads so much more."""
        return Spread(factor * self.seed, factor * self.fact, factor * self.residual)

    def pooled(self, subjects: int, common: float = COMMON) -> "Spread":
        """The spread of an average over subjects that are asked the same facts under the same seeds.

        Subjects have a share ``common`` of the variance between facts in common, and are trained independently.
        """
        fact = self.fact * math.sqrt(common + (1 - common) / subjects)
        return Spread(self.seed / math.sqrt(subjects), fact, self.residual / math.sqrt(subjects))

    def standard_error(self, seeds: int, facts: int) -> float:
        """Of the mean over ``seeds`` and ``facts``."""
        return math.sqrt(self.seed**2 / seeds + self.fact**2 / facts + self.residual**2 / (seeds * facts))

    def degrees_of_freedom(self, seeds: int, facts: int) -> float:
        """Satterthwaite's, of that error as mean squares of seeds, facts and residual estimate it.

        One seed has none, unless seeds make no difference.
        """
        if seeds == 1 or facts == 1:
            return 0.0 if self.seed or self.residual else facts - 1.0
        residual = self.residual**2
        squares = (facts * self.seed**2 + residual, seeds * self.fact**2 + residual, residual)
        freedom = (seeds - 1, facts - 1, (seeds - 1) * (facts - 1))
        uncertainty = sum(square**2 / free for square, free in zip(squares, freedom, strict=True))
        return (squares[0] + squares[1] - squares[2]) ** 2 / uncertainty if uncertainty else math.inf


def combined_error(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Standard error of a sum of independent parts, and its degrees of freedom (Satterthwaite).

    Each part is a variance with its degrees of freedom; without any variance they are infinite.
    """
    parts = [(variance, freedom) for variance, freedom in parts if variance > 0]
    total = sum(variance for variance, _ in parts)
    uncertainty = sum(variance**2 / freedom if freedom > 0 else math.inf for variance, freedom in parts)
    return math.sqrt(total), total**2 / uncertainty if uncertainty else math.inf


def smallest_effect(
    error: float, freedom: float, confidence: float, power: float = POWER, both_bounds: bool = False
) -> float:
    """The smallest effect whose interval leaves out zero with probability ``power``, in the unit of the ``error``.

    (t(confidence) + t(power)) x standard error; infinite without degrees of freedom. With ``both_bounds`` the smallest
    bound within which the whole interval of an effect of zero lies with that probability.
    """
    if not freedom:
        return math.inf
    power = (1 + power) / 2 if both_bounds else power
    return float(stdtrit(freedom, (1 + confidence) / 2) + stdtrit(freedom, power)) * error


def detectable(
    spread: Spread, seeds: int, facts: int, confidence: float, power: float = POWER, models: int = 1
) -> float:
    """The smallest effect that a study of so many seeds and facts shows with probability ``power``.

    Infinite for one seed, which says nothing about others. The mean over several ``models``, each with as many seeds
    and facts of its own, has so many times less variance and more freedom, where models differ by no more than that.
    """
    error, freedom = _error(spread, seeds, facts, models)
    return smallest_effect(error, freedom, confidence, power)


def confirmable(
    spread: Spread, seeds: int, facts: int, confidence: float, power: float = POWER, models: int = 1
) -> float:
    """The smallest bound that both one-sided tests, each at 1 - ``confidence``, confirm of an effect of zero."""
    error, freedom = _error(spread, seeds, facts, models)
    return smallest_effect(error, freedom, 2 * confidence - 1, power, both_bounds=True)


def _error(spread: Spread, seeds: int, facts: int, models: int) -> tuple[float, float]:
    """Standard error of the mean over models, and its degrees of freedom."""
    return spread.standard_error(seeds, facts) / math.sqrt(models), spread.degrees_of_freedom(seeds, facts) * models


def seeds_needed(
    smallest_of: Callable[..., float], spread: Spread, facts: int, size: float, confidence: float, models: int = 1
) -> float:
    """The fewest seeds at which ``smallest_of`` (``detectable``, ``confirmable``) is ``size`` at most, or infinity."""
    enough = (n for n in range(1, MOST_SEEDS + 1) if smallest_of(spread, n, facts, confidence, models=models) <= size)
    return next(enough, math.inf)


def detectable_correlation(units: int, confidence: float, power: float = POWER) -> float:
    """The smallest rank correlation over ``units`` that is told from zero: by Fisher's z with variance 1.06 / (n - 3).

    The variance is Fieller's for Spearman's coefficient. Infinite for fewer than four units.
    """
    if units < 4:
        return math.inf
    return math.tanh((ndtri((1 + confidence) / 2) + ndtri(power)) * math.sqrt(1.06 / (units - 3)))
