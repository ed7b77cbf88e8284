"""Read or change the inputs and outputs of modules while a model runs, also through ``LayerSpan``'s views."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

See = Callable[[torch.Tensor], torch.Tensor | None]


@dataclass(frozen=True)
class Entering:
    """Names the input of a module; the module itself names its output."""

    module: nn.Module


Place = nn.Module | Entering


@contextmanager
def hooked(hooks: Sequence[tuple[Place, See]]) -> Iterator[None]:
    """Inside the block call each function with the tensor at its site; what it returns, unless None, replaces it.

    Of a tuple (attention also returns its weights) this is the first entry. No hook is left behind, errors or not.
    """
    handles = []
    try:
        for site, see in hooks:
            if isinstance(site, Entering):
                handles.append(site.module.register_forward_pre_hook(lambda _, inputs, see=see: _seen(see, inputs)))
            else:
                handles.append(site.register_forward_hook(lambda _, __, output, see=see: _seen(see, output)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def entered_by(module: nn.Module, tensor: torch.Tensor) -> Iterator[None]:
    """Inside the block ``module`` takes ``tensor`` for its first input, whatever it is called with; hooks see it."""
    handle = module.register_forward_pre_hook(lambda _, inputs: (tensor, *inputs[1:]), prepend=True)
    try:
        yield
    finally:
        handle.remove()


def _seen(see: See, passing):
    if not isinstance(passing, tuple):
        return see(passing)
    changed = see(passing[0])
    return None if changed is None else (changed, *passing[1:])
