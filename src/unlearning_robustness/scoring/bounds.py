"""Bounds on accuracies, which hold aside from rounding. Numbers and pandas columns alike."""

ROUNDING = 1e-9


def at_least(accuracy, bound):
    """Whether accuracies reach a bound."""
    return accuracy >= bound - ROUNDING


def at_most(accuracy, bound):
    """Whether accuracies stay within a bound."""
    return accuracy <= bound + ROUNDING
