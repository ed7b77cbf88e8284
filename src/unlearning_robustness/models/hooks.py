"""Look at what modules put out or are given, or change it, while a model runs; also through ``LayerSpan``'s views."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

See = Callable[[torch.Tensor], torch.Tensor | None]


@dataclass(frozen=True)
class Entering:
    """Stands for what a module is given, where the module itself stands for what it puts out."""

    module: nn.Module


Place = nn.Module | Entering


@contextmanager
def hooked(hooks: Sequence[tuple[Place, See]]) -> Iterator[None]:
    """Call each function with what passes its place; what it returns, unless None, stands in its place.

    Of a tuple (attention also gives its weights) the first entry is meant. No hook is left behind, errors or not.
    """
    handles = []
    try:
        for place, see in hooks:
            if isinstance(place, Entering):
                handles.append(place.module.register_forward_pre_hook(lambda _, given, see=see: _seen(see, given)))
            else:
                handles.append(place.register_forward_hook(lambda _, __, output, see=see: _seen(see, output)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _seen(see: See, passing):
    if not isinstance(passing, tuple):
        return see(passing)
    changed = see(passing[0])
    return None if changed is None else (changed, *passing[1:])
