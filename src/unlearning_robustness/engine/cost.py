"""What a run spends: passes, tokens and floating point operations, so that defences can be compared at equal cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch.utils.flop_counter import FlopCounterMode

from unlearning_robustness.runtime.parallel import count


@dataclass
class Cost:
    """Counts forward and backward passes over a batch and the real tokens of the forward ones, over all processes.

    Operations are counted by torch in the first step, matrix products and attention only, double backwards included;
    other steps are charged in proportion to their tokens. A counted step differs in its last bits from one that is
    not (torch decomposes operations to count them), so it is always the first, also of a run that is resumed.
    """

    forwards: int = 0
    backwards: int = 0
    tokens: int = 0
    operations_per_token: float = field(default=0.0, repr=False)

    def forward(self, tokens: int) -> None:
        """One forward pass over a batch with so many real tokens."""
        self.forwards += 1
        self.tokens += tokens

    def backward(self) -> None:
        """One backward pass."""
        self.backwards += 1

    @contextmanager
    def step(self) -> Iterator[Callable[[], dict[str, float]]]:
        """Around one step; what it gives says afterwards what the step spent."""
        before = (self.forwards, self.backwards, self.tokens)
        spent: dict[str, float] = {}
        counter = None if self.operations_per_token else FlopCounterMode(display=False)
        if counter is None:
            yield lambda: spent
        else:
            with counter:
                yield lambda: spent
        forwards, backwards, tokens = (
            now - then for now, then in zip((self.forwards, self.backwards, self.tokens), before, strict=True)
        )
        tokens = count(tokens)
        if counter is not None and tokens:
            self.operations_per_token = count(counter.get_total_flops()) / tokens
        spent |= {"forwards": forwards, "backwards": backwards, "tokens": tokens}
        spent["operations"] = tokens * self.operations_per_token

    def resume(self, history: list[dict]) -> None:
        """Take over what the first step of an earlier process counted."""
        if history:
            self.operations_per_token = history[0]["operations"] / history[0]["tokens"]


SPENT = ("forwards", "backwards", "tokens", "operations")


def total(history: list[dict]) -> dict[str, float]:
    """The sum over the steps of a history."""
    return {name: sum(row[name] for row in history) for name in SPENT}
