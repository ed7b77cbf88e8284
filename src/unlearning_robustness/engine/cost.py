"""The cost of a run in passes, tokens and floating-point operations, to compare defences at equal cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch.utils.flop_counter import FlopCounterMode

from unlearning_robustness.runtime.parallel import count


@dataclass
class Cost:
    """Counts forward and backward passes over a batch and the real tokens of the forward ones, over all processes.

    Torch counts the operations of the first step: matrix products and attention, double backwards included. Other steps
    are charged in proportion to their tokens. A counted step differs in its last bits from an uncounted one (torch
    decomposes operations to count them), so it is always the first step, also of a resumed run.
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
    def uncounted(self) -> Iterator[None]:
        """Passes inside the block measure something and belong to no training."""
        before = self.forwards, self.backwards, self.tokens
        yield
        self.forwards, self.backwards, self.tokens = before

    @contextmanager
    def step(self) -> Iterator[Callable[[], dict[str, float]]]:
        """Wraps one step; yields a function that returns, after the step, what it spent."""
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
        """Reuse what an earlier process counted in the first step of ``history``."""
        if history:
            self.operations_per_token = history[0]["operations"] / history[0]["tokens"]


SPENT = ("forwards", "backwards", "tokens", "operations")


def total(history: list[dict]) -> dict[str, float]:
    """The sum over the steps of a history."""
    return {name: sum(row[name] for row in history) for name in SPENT}
