"""Ranges of numbers, declared next to the parameter that they bound: ``radius: Positive``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from unlearning_robustness.config.plain_values import number_problem

# More than any study counts, and than any model reads; the schema's `count` and `tokens` have them too.
MOST, MOST_TOKENS = 10_000_000, 1_000_000


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
        if problem := number_problem(value):
            return problem
        for words, (bound, holds) in bounds.items():
            if bound is not None and not holds(bound):
                return f"must be {words} {bound}, not {value}{f'; {self.mend}' if self.mend else ''}"
        return None


Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(least=0)]
# A proportion of which some is left.
Share = Annotated[float, Range(least=0, below=1)]
Count = Annotated[int, Range(least=1, most=MOST)]
# A proportion between none and all.
Proportion = Annotated[float, Range(above=0, below=1)]
# How far a share of questions may fall.
Bound = Annotated[float, Range(least=0, most=1)]
# Where a text is cut: of a single token nothing is predicted.
Tokens = Annotated[
    int, Range(least=2, most=MOST_TOKENS, mend="of one token nothing is predicted, and no model reads a million")
]
# A number of things of which there may be none, or the index of one.
Index = Annotated[int, Range(least=0, most=MOST)]
Indices = Annotated[list[int], Range(least=0, most=MOST)]
NonNegatives = Annotated[list[float], Range(least=0)]
# What a length in weight space is measured in: as it is, in optimiser steps, or in norms of the trained tensors.
LengthUnit = Literal["absolute", "step", "norm"]
