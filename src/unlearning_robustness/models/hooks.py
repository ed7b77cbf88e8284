"""Look at what modules put out, or change it, while a model runs; also through the views of ``LayerSpan``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

See = Callable[[torch.Tensor], torch.Tensor | None]


@contextmanager
def hooked(hooks: Sequence[tuple[nn.Module, See]]) -> Iterator[None]:
    """Call each function with what its module puts out; what it returns, unless None, stands in its place.

    Of a tuple (attention also gives its weights) the first entry is meant. No hook is left behind, errors or not.
    """
    handles = []
    try:
        for module, see in hooks:
            handles.append(module.register_forward_hook(_hook(see)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(see: See) -> Callable:
    def hook(_, __, output):
        if not isinstance(output, tuple):
            return see(output)
        changed = see(output[0])
        return None if changed is None else (changed, *output[1:])

    return hook
