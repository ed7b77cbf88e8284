"""Two ways to the same result, compared in one run: operations, CPU-seconds and memory, and that results are equal.

Seconds are CPU-seconds of this process on one thread, so that other work on the machine does not count; ratios are of
the quickest of equally many repeats, taken in turn.
"""

import sys
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], torch.Tensor]
# Of the square matrices whose product is the yardstick.
SIDE = 1536


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, CPU-seconds, and bytes at the peak beyond what was there before."""

    operations: float
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Comparison:
    """The cost of the plain way and of ours, and the relative or absolute ``difference`` of their results."""

    name: str
    plain: Cost
    ours: Cost
    difference: float

    @property
    def operations(self) -> float:
        """How many times as many operations the plain way takes."""
        return self.plain.operations / self.ours.operations

    @property
    def seconds(self) -> float:
        """How many times as long the plain way takes."""
        return self.plain.seconds / self.ours.seconds

    @property
    def memory(self) -> float:
        """How many times as much memory the plain way takes at its peak."""
        return self.plain.bytes / self.ours.bytes

    @property
    def rate(self) -> float:
        """Operations a second of ours."""
        return self.ours.operations / self.ours.seconds


def relative_difference(plain: torch.Tensor, ours: torch.Tensor) -> float:
    """||plain - ours|| / ||plain||."""
    return ((plain - ours).norm() / plain.norm()).item()


def largest_difference(plain: torch.Tensor, ours: torch.Tensor) -> float:
    """The largest of |plain - ours|."""
    return (plain - ours).abs().max().item()


def compare(
    name: str,
    plain: Work,
    ours: Work,
    tolerance: float,
    repeats: int,
    differ: Callable[[torch.Tensor, torch.Tensor], float] = relative_difference,
) -> Comparison:
    """Both ways measured; raises AssertionError when their results ``differ`` by more than ``tolerance``.

    Without ``repeats`` the pass that counts operations and memory is the one that is timed: counting takes some
    microseconds an operation, which is little where a batch takes seconds.
    """
    (expected, plain_cost), (result, our_cost) = counted_cost(plain), counted_cost(ours)
    difference = differ(expected, result)
    assert difference <= tolerance, f"{name}: results differ by {difference:.2g}, more than {tolerance:g}"
    timed = [(cpu_seconds(plain), cpu_seconds(ours)) for _ in range(repeats)]
    quickest = [min(seconds) for seconds in zip(*timed, strict=True)] or [plain_cost.seconds, our_cost.seconds]
    costs = [replace(cost, seconds=least) for cost, least in zip((plain_cost, our_cost), quickest, strict=True)]
    comparison = Comparison(name, *costs, difference)
    print(f"{name}: {comparison.seconds:.2f} times faster", file=sys.stderr, flush=True)
    return comparison


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU-seconds that a work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def counted_cost(work: Work) -> tuple[torch.Tensor, Cost]:
    """A work's result and what it costs; the seconds are those of counting, too."""
    started = time.process_time()
    with Allocated() as allocated, FlopCounterMode(display=False) as counter:
        result = work()
    return result, Cost(counter.get_total_flops(), time.process_time() - started, allocated.peak)


class Allocated(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside the block while they are alive, and their ``peak``.

    What a kernel needs for itself alone is not seen.
    """

    def __init__(self):
        super().__init__()
        self.held = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        # A view, or what is changed in place, has the storage of an argument.
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in((arguments, named))}
        for tensor in tensors_in(result):
            if tensor.untyped_storage()._cdata not in given:
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        address = storage._cdata
        if address in self.known:
            return
        size = storage.nbytes()
        self.known.add(address)
        self.held += size
        self.peak = max(self.peak, self.held)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.held -= size


def tensors_in(values) -> Iterator[torch.Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    return (value for value in tree_iter(values) if isinstance(value, torch.Tensor))


def matrix_product_rate(dtype: torch.dtype, side: int = SIDE, repeats: int = 8) -> float:
    """Operations a CPU-second of the product of two square matrices: what the processor gives where nothing else is.

    The median of the repeats: a first one also loads and tunes.
    """
    left, right = torch.randn(2, side, side).to(dtype)
    seconds = sorted(cpu_seconds(lambda: left @ right) for _ in range(repeats))
    return 2 * side**3 / seconds[repeats // 2]
