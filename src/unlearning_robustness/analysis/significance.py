"""Paired tests on the same questions, and what many of them together allow to say.

The bootstrap's interval is about other facts and other seeds; these p-values are about other facts alone, exact however
small they are, which a correction for many comparisons needs and resampling cannot give.
"""

from collections.abc import Sequence

import numpy


def sign_flip(differences: Sequence[int]) -> float:
    """Exact two-sided p-value of paired differences, one integer a fact, that under the null have either sign alike.

    A fact's difference is its right answers on one side less those on the other, summed over seeds and questions. One
    question a fact and one seed give McNemar's exact test; more are its form for clusters, by permutation instead of
    the normal approximation of Durkalski et al. (2003). Raises ValueError for numbers that are no integers.
    """
    values = numpy.asarray(differences)
    if not numpy.array_equal(values, values.round()):
        raise ValueError("differences are counted in answers: integers")
    sizes = numpy.abs(values).astype(int)
    # chances[k] is the probability that the signed sizes so far add up to k - sum of them.
    chances = numpy.ones(1)
    for size in sizes[sizes > 0]:
        grown = numpy.zeros(len(chances) + 2 * size)
        grown[: len(chances)] += chances / 2
        grown[2 * size :] += chances / 2
        chances = grown
    sums = numpy.arange(len(chances)) - sizes.sum()
    return float(min(1.0, chances[numpy.abs(sums) >= abs(int(values.sum()))].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: below a level, they bound the chance of any false one by it."""
    values = numpy.asarray(p_values, dtype=float)
    order = values.argsort(kind="stable")
    stepped = values[order] * numpy.arange(len(values), 0, -1)
    adjusted = numpy.empty_like(values)
    adjusted[order] = numpy.minimum(numpy.maximum.accumulate(stepped), 1.0)
    return adjusted.tolist()
