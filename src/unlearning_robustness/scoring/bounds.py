"""Bounds on scores, which hold aside from rounding. Numbers and pandas columns alike."""

from statistics import NormalDist

import numpy

ROUNDING = 1e-9


def at_least(accuracy, bound):
    """Whether accuracies reach a bound."""
    return accuracy >= bound - ROUNDING


def at_most(accuracy, bound):
    """Whether accuracies stay within a bound."""
    return accuracy <= bound + ROUNDING


def standard_error(differences: numpy.ndarray) -> float:
    """The standard error of the mean of differences (Q,); 0 of a single one."""
    return float(differences.std(ddof=1) / len(differences) ** 0.5) if len(differences) > 1 else 0.0


def not_above(first: numpy.ndarray, second: numpy.ndarray, confidence: float) -> bool:
    """Whether scores (Q,) are not shown to lie above others of the same questions, by a one-sided paired z-test."""
    differences = first - second
    allowed = NormalDist().inv_cdf(confidence) * standard_error(differences)
    return bool(at_most(differences.mean(), allowed))
