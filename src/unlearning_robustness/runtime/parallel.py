"""Several processes that train one cell together; in a single process everything here changes nothing.

Every process holds the same weights (or its shards of them) and computes on its rows of each batch. A sum over the
batch is taken over all processes (``total``), so each has the loss of the whole batch, whatever it makes of the sums.
``total`` is differentiated as a sum too: autograd then gives each process the gradient of all processes' equal losses
with respect to its own copy of the weights, and the ``mean`` of these is the gradient that one process would take.

Random numbers for weights are drawn alike by all processes. Those for activations are drawn for the whole batch by
each, which takes its rows (``sample_local_rows``): a text gets the noise that it gets in a single process.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import distributed

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime.torchrun import is_main, rank, started

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


def join(processes: int, device: str) -> str:
    """Meet the other processes; gives the device of this one. Raises RuntimeError when they are not ``processes``."""
    if not started():
        if processes != 1:
            raise RuntimeError(f"{processes} processes are wanted, and torchrun did not start this one")
        return device
    if device == "cuda":
        if torch.cuda.device_count() < processes:
            raise ConfigError(
                f"methods.*.parallel.processes: {processes} processes need a GPU each, and this job sees "
                f"{torch.cuda.device_count()}"
            )
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group(BACKENDS[device.split(":")[0]])
    found = count(1)
    if found != processes:
        raise RuntimeError(f"{processes} processes are wanted, and {found} have met")
    print(f"{found} processes train together", flush=True)
    return device


def size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rows(whole: int) -> slice:
    """The rows of a batch of ``whole`` that are this process's."""
    return slice(rank() * whole // size(), (rank() + 1) * whole // size()) if size() > 1 else slice(0, whole)


def first_row(own: int) -> int:
    """Where in the whole batch the ``own`` rows of this process begin."""
    return rows(count(own)).start


def count(own: float) -> float:
    """The sum of a number over the processes; an integer stays one."""
    if size() == 1:
        return own
    summed = torch.tensor(own, dtype=torch.int64 if isinstance(own, int) else torch.float64)
    distributed.all_reduce(summed)
    return summed.item()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context, own: torch.Tensor) -> torch.Tensor:
        summed = own.contiguous().clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> torch.Tensor:
        return _Sum.apply(gradient)


def total(own: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over the processes, differentiable as often as wanted."""
    return _Sum.apply(own) if size() > 1 else own


def mean(own: torch.Tensor) -> torch.Tensor:
    """The mean of a tensor over the processes, differentiable as often as wanted."""
    return _Sum.apply(own) / size() if size() > 1 else own


def sample_local_rows(
    draw: Callable, shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Of what ``draw`` (torch.randn, torch.rand) gives for a whole batch this process's rows, of ``shape``."""
    whole = count(shape[0])
    return draw((whole, *shape[1:]), generator=generator, device=device)[rows(whole)]


def broadcast(items: Iterable) -> Iterator:
    """Each of ``items`` as the leading process has it; what it takes to make them happens there alone."""
    if size() == 1:
        yield from items
        return
    source = iter(items) if is_main() else None
    while True:
        told = [list(islice(source, 1)) if is_main() else None]
        distributed.broadcast_object_list(told, src=0)
        if not told[0]:
            return
        yield told[0][0]


def sharded(tensor: torch.Tensor) -> bool:
    """Whether a process holds a shard of a tensor (a DTensor, whose module most jobs need not import)."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor, of which each process may hold a shard."""
    return tensor.full_tensor() if sharded(tensor) else tensor


def part_as(like: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Of a whole ``value`` what this process holds of ``like``, on its device."""
    value = value.to(like.device)
    if not sharded(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor whole in the main memory of the leading process, and empty in that of others; else itself."""
    if not sharded(tensor):
        return tensor
    every = tensor.full_tensor()
    return every.cpu() if is_main() else torch.empty(0, dtype=tensor.dtype)


class Gathered(Mapping):
    """Sharded tensors, each ``gathered`` as it is read; all processes read them in the same order."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]):
        self.tensors = tensors

    def __getitem__(self, name: str) -> torch.Tensor:
        return gathered(self.tensors[name].detach())

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)
