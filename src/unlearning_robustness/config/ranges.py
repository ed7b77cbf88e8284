"""Ranges of numbers, declared next to the parameter that they bound: ``radius: Positive``."""

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Literal


@dataclass(frozen=True)
class Range:
    """Finite numbers within bounds: ``least`` and ``most`` belong to the range, ``above`` and ``below`` do not.

    ``mend`` is added to the message of a number outside.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    mend: str = ""

    def problem(self, value: float) -> str | None:
        """What is wrong with a number, or None."""
        bounds = {
            "at least": (self.least, lambda bound: value >= bound),
            "above": (self.above, lambda bound: value > bound),
            "at most": (self.most, lambda bound: value <= bound),
            "below": (self.below, lambda bound: value < bound),
        }
        if not isfinite(value):
            return f"must be finite, not {value}"
        for words, (bound, holds) in bounds.items():
            if bound is not None and not holds(bound):
                return f"must be {words} {bound}, not {value}{f'; {self.mend}' if self.mend else ''}"
        return None


Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(least=0)]
# A proportion of which some is left.
Share = Annotated[float, Range(least=0, below=1)]
Count = Annotated[int, Range(least=1)]
# A proportion between none and all.
Proportion = Annotated[float, Range(above=0, below=1)]
# Where a text is cut: of a single token nothing is predicted.
Tokens = Annotated[int, Range(least=2, mend="of a single token nothing is predicted")]
# A number of things of which there may be none, or the index of one.
Index = Annotated[int, Range(least=0)]
Indices = Annotated[list[int], Range(least=0)]
NonNegatives = Annotated[list[float], Range(least=0)]
# What a length in weight space is measured in: as it is, in optimiser steps, or in norms of the trained tensors.
LengthUnit = Literal["absolute", "step", "norm"]
