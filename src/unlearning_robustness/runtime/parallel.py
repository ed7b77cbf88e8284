"""Several processes that train one cell together; in a single process everything here changes nothing.

Every process holds the same weights (or its shards of them) and computes on its rows of each batch. A sum over the
batch is taken over all processes (``total``), so each has the loss of the whole batch, whatever it makes of the sums.
``total`` is differentiated as a sum too: autograd then gives each process the gradient of all processes' equal losses
with respect to its own copy of the weights, and the ``mean`` of these is the gradient that one process would take.

Random numbers for weights are drawn alike by all processes. Those for activations are drawn for the whole batch by
each, which takes its rows (``sample_local_rows``): a text gets the noise that it gets in a single process.

Process group, device and collectives are accelerate's, imported where there are several processes; the sum that can
be differentiated is own code, as accelerate's collectives have no gradient.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import torch

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime.launcher import is_main, rank, started

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


def join(processes: int, device: str) -> str:
    """Meet the other processes; returns this one's device. Raises RuntimeError when they are not ``processes``."""
    if not started():
        if processes != 1:
            raise RuntimeError(f"{processes} processes were requested, and no launcher started this one")
        return device
    if device == "cuda" and torch.cuda.device_count() < processes:
        raise ConfigError(
            f"methods.*.parallel.processes: {processes} processes need a GPU each, and this job sees "
            f"{torch.cuda.device_count()}"
        )
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu", backend=BACKENDS[device])
    met = count(1)
    if met != processes:
        raise RuntimeError(f"{processes} processes were requested, and {met} have met")
    print(f"{met} processes train together", flush=True)
    return device if device == "cpu" else str(state.device)


def size() -> int:
    """The number of processes."""
    if not started():
        return 1
    from accelerate import PartialState

    return PartialState().num_processes


def rows(whole: int) -> slice:
    """The rows of this process in a batch of ``whole`` rows."""
    return slice(rank() * whole // size(), (rank() + 1) * whole // size()) if size() > 1 else slice(0, whole)


def first_row(own: int) -> int:
    """The index in the whole batch of the first of this process's ``own`` rows."""
    return rows(count(own)).start


def count(own: float) -> float:
    """The sum of a number over the processes; an integer stays one."""
    if size() == 1:
        return own
    return _reduced(torch.tensor(own, dtype=torch.int64 if isinstance(own, int) else torch.float64)).item()


def largest(own: int) -> int:
    """The largest of the processes' integers."""
    if size() == 1:
        return own
    from accelerate.utils import gather

    return int(gather(torch.tensor([own])).max())


def _reduced(own: torch.Tensor) -> torch.Tensor:
    from accelerate.utils import reduce

    return reduce(own.contiguous(), "sum")


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context, own: torch.Tensor) -> torch.Tensor:
        return _reduced(own)

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> torch.Tensor:
        return _Sum.apply(gradient)


def total(own: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over the processes, differentiable any number of times."""
    return _Sum.apply(own) if size() > 1 else own


def mean(own: torch.Tensor) -> torch.Tensor:
    """The mean of a tensor over the processes, differentiable any number of times."""
    return _Sum.apply(own) / size() if size() > 1 else own


def sample_local_rows(
    draw: Callable, shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Draw with ``draw`` (torch.randn, torch.rand) for the whole batch and return this process's rows, of ``shape``."""
    whole = count(shape[0])
    return draw((whole, *shape[1:]), generator=generator, device=device)[rows(whole)]


def broadcast(items: Iterable) -> Iterator:
    """Each of ``items`` as the main process has it; only that process iterates over them."""
    if size() == 1:
        yield from items
        return
    from accelerate.utils import broadcast_object_list

    source = iter(items) if is_main() else None
    while True:
        (item,) = broadcast_object_list([list(islice(source, 1)) if is_main() else None])
        if not item:
            return
        yield item[0]


def sharded(tensor: torch.Tensor) -> bool:
    """Whether a process holds a shard of a tensor (a DTensor, whose module most jobs need not import)."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The full tensor, of which each process may hold a shard."""
    return tensor.full_tensor() if sharded(tensor) else tensor


def part_as(like: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The shard of a whole ``value`` that this process holds of ``like``, on its device."""
    value = value.to(like.device)
    if not sharded(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor whole, in the main process's memory (empty in the others'); any other tensor itself."""
    if not sharded(tensor):
        return tensor
    full = tensor.full_tensor()
    return full.cpu() if is_main() else torch.empty(0, dtype=tensor.dtype)


class Gathered(Mapping):
    """Sharded tensors, each ``gathered`` when it is read; all processes must read them in the same order."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]):
        self.tensors = tensors

    def __getitem__(self, name: str) -> torch.Tensor:
        return gathered(self.tensors[name].detach())

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)
