"""Gradient checkpointing: layers keep only their input, and run again in the backward pass."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.slicing import backward_attention


@contextmanager
def checkpointed(model: nn.Module, enabled: bool = True) -> Iterator[None]:
    """Inside the block each layer runs its forward pass again when its gradient is taken.

    The numbers are the same bit for bit: the layers run with the same kernels and torch's restored random state, and
    defences draw their noise once, outside the layers. Gradients cannot be differentiated again: a second run is on
    detached tensors, so the configuration refuses what needs it.
    """
    layers = layer_modules(model) if enabled else []
    for layer in layers:
        again = backward_attention(next(layer.parameters()).device)
        layer.forward = partial(
            checkpoint, layer.forward, use_reentrant=False, context_fn=lambda again=again: (nullcontext(), again)
        )
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
