"""How well a number tells two groups of models apart: the area under the ROC curve, with an interval for few models."""

import numpy
import pandas
from scipy.optimize import brentq
from scipy.special import ndtri

# So near to 0 and 1 bounds are looked for.
EDGE = 1e-9


def placements(knowing: pandas.Series, never: pandas.Series) -> numpy.ndarray:
    """How often each kind of models lies above each one of the others (K, N), 0 to 1, ties counted half.

    Both are values of cells with the kind as index; of each pair of kinds all seeds are compared with all seeds.
    """
    sides = [[part.to_numpy(float) for _, part in side.groupby(level=0)] for side in (knowing, never)]
    return numpy.array([[_above(one, other) for other in sides[1]] for one in sides[0]])


def _above(one: numpy.ndarray, other: numpy.ndarray) -> float:
    difference = one[:, None] - other[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def area_interval(area: float, knowing: int, never: int, confidence: float) -> tuple[float, float]:
    """The interval of an area under the ROC curve between ``knowing`` and ``never`` independent models.

    It inverts the normal test with Hanley and McNeil's variance under exponential scores, both groups' sizes taken as
    their mean there (Newcombe 2006, Statistics in Medicine 25, method 5). Unlike a bootstrap or DeLong's interval it
    has a width where the area is 0 or 1, which few models often give.
    """
    z, mean_size = float(ndtri((1 + confidence) / 2)), (knowing + never) / 2 - 1

    def beyond(true: float) -> float:
        spread = 1 + mean_size * ((1 - true) / (2 - true) + true / (1 + true))
        return abs(area - true) - z * numpy.sqrt(true * (1 - true) * spread / (knowing * never))

    low = brentq(beyond, EDGE, area - EDGE) if area > 2 * EDGE and beyond(EDGE) > 0 else 0.0
    high = brentq(beyond, area + EDGE, 1 - EDGE) if area < 1 - 2 * EDGE and beyond(1 - EDGE) > 0 else 1.0
    return low, high
