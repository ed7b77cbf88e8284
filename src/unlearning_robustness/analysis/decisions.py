"""What an effect decides about a claim: shown, shown to be too small to matter, or undecided.

An effect is a mean with its standard error and degrees of freedom. Of a claim that it lies ``above`` (or ``below``)
zero, or ``within`` ``least`` of it, ``least`` being the smallest effect that matters:

- reproduced: the two-sided test of zero shows that side; ``within``: two one-sided tests show both bounds (Schuirmann).
- shown to be smaller: a one-sided test shows less than ``least`` in the direction of the claim.
- not reproduced: the other side of zero is shown; ``within``: a one-sided test shows more than ``least``.
- cannot be decided: everything else, and every effect of one seed.
"""

from dataclasses import dataclass

from scipy.special import stdtr

from unlearning_robustness.analysis.power import smallest_effect

REPRODUCED, NOT_REPRODUCED, SMALLER = "reproduced", "not reproduced", "shown to be smaller"
UNDECIDED = "cannot be decided"
LEVEL = 0.05


@dataclass(frozen=True)
class Effect:
    """A mean, its standard error, in one unit, and its degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def above(self, bound: float) -> float:
        """One-sided p-value of the effect's lying above a bound: of the hypothesis that it does not."""
        if not self.error:
            return float(self.mean <= bound)
        return float(stdtr(self.freedom, (bound - self.mean) / self.error))

    def reversed(self) -> "Effect":
        """The effect with the other sign."""
        return Effect(-self.mean, self.error, self.freedom)


@dataclass(frozen=True)
class Rule:
    """``expects``: above, below or within; ``least``: the smallest effect that matters, in the effect's unit."""

    expects: str
    least: float

    def p_value(self, effect: Effect) -> float:
        """Of the test that would reproduce the claim: two-sided of zero, or the larger one of both bounds."""
        if self.expects == "within":
            return max(effect.above(-self.least), effect.reversed().above(-self.least))
        return min(1.0, 2 * min(effect.above(0.0), effect.reversed().above(0.0)))

    def decide(self, effect: Effect, level: float = LEVEL, p_value: float | None = None) -> str:
        """The verdict at a level; ``p_value`` is that of the claim's test, adjusted where there are several claims."""
        p_value = self.p_value(effect) if p_value is None else p_value
        if self.expects == "within":
            beyond = min(effect.above(self.least), effect.reversed().above(self.least))
            return REPRODUCED if p_value < level else NOT_REPRODUCED if beyond < level else UNDECIDED
        along = effect.reversed() if self.expects == "below" else effect
        if self.least and along.reversed().above(-self.least) < level:
            return SMALLER if along.reversed().above(0.0) >= level / 2 else NOT_REPRODUCED
        if p_value < level and along.mean > 0:
            return REPRODUCED
        return NOT_REPRODUCED if along.reversed().above(0.0) < level / 2 else UNDECIDED

    def detectable(self, effect: Effect, level: float = LEVEL) -> float:
        """The smallest effect that the claim's test shows with a power of 80 %; ``within``: the smallest bound."""
        if self.expects == "within":
            return smallest_effect(effect.error, effect.freedom, 1 - 2 * level, both_bounds=True)
        return smallest_effect(effect.error, effect.freedom, 1 - level)


def disagreeing(rule: Rule, verdict: str, subjects: dict[str, Effect]) -> list[str]:
    """The subjects for which the opposite of a pooled verdict is shown, corrected for how many subjects there are.

    Where the average shows an effect, one that is too small to matter in some subject is not its opposite.
    """
    opposite = {REPRODUCED: {NOT_REPRODUCED}, UNDECIDED: set()}.get(verdict, {REPRODUCED})
    return [name for name, effect in subjects.items() if rule.decide(effect, LEVEL / len(subjects)) in opposite]
