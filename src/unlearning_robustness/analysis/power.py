"""What a study can show at its numbers of seeds and facts: the smallest effect that it finds four times in five.

An effect d of seed s on fact f is its mean + a_s + b_f + e_sf, independent, with standard deviations ``Spread``. The
mean over S seeds and F facts then has the variance seed^2 / S + fact^2 / F + residual^2 / (S F), estimated with
Satterthwaite's degrees of freedom. At three seeds an interval of t quantiles with these covers 93 to 97 % where it
promises 95; the crossed bootstrap's, which is narrower, covers 89 to 98 % (docs/measurement.md).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

# How often an effect of the size that is named is found.
POWER = 0.8
# A study of more seeds is none that anybody runs.
MOST_SEEDS = 100


@dataclass(frozen=True)
class Spread:
    """Standard deviations of an effect, in its unit: between seeds, between facts, and of what both leave."""

    seed: float
    fact: float
    residual: float

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


def detectable(spread: Spread, seeds: int, facts: int, confidence: float, power: float = POWER) -> float:
    """The smallest effect whose interval leaves out zero with probability ``power``.

    (t(confidence) + t(power)) x standard error; infinite for one seed, which says nothing about others.
    """
    return _quantiles(spread, seeds, facts, confidence, power) * spread.standard_error(seeds, facts)


def confirmable(spread: Spread, seeds: int, facts: int, confidence: float, power: float = POWER) -> float:
    """The smallest bound within which the whole interval of an effect of zero lies with probability ``power``."""
    return detectable(spread, seeds, facts, confidence, (1 + power) / 2)


def seeds_needed(
    smallest_of: Callable[..., float], spread: Spread, facts: int, size: float, confidence: float
) -> float:
    """The fewest seeds at which ``smallest_of`` (``detectable``, ``confirmable``) is ``size`` at most, or infinity."""
    enough = (n for n in range(1, MOST_SEEDS + 1) if smallest_of(spread, n, facts, confidence) <= size)
    return next(enough, math.inf)


def detectable_correlation(units: int, confidence: float, power: float = POWER) -> float:
    """The smallest rank correlation over ``units`` that is told from zero: by Fisher's z with variance 1.06 / (n - 3).

    The variance is Fieller's for Spearman's coefficient. Infinite for fewer than four units.
    """
    from scipy.stats import norm

    if units < 4:
        return math.inf
    return math.tanh((norm.ppf((1 + confidence) / 2) + norm.ppf(power)) * math.sqrt(1.06 / (units - 3)))


def _quantiles(spread: Spread, seeds: int, facts: int, confidence: float, power: float) -> float:
    # Here: SciPy's statistics are half of the start of a job that needs none.
    from scipy.stats import t

    freedom = spread.degrees_of_freedom(seeds, facts)
    return float(t.ppf((1 + confidence) / 2, freedom) + t.ppf(power, freedom)) if freedom else math.inf
