"""Gradient checkpointing: layers keep only their input for the backward pass, and run again there."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from unlearning_robustness.models.modules import layer_modules
from unlearning_robustness.models.slicing import backward_attention


@contextmanager
def checkpointed(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Forward passes inside the block are made again, layer by layer, when their gradient is taken.

    Same numbers, bit for bit: the layers run with the same kernels, torch's random state is put back for them, and
    noise of defences is drawn outside of them, once. Gradients cannot be differentiated again: a second run is on
    detached tensors, so the configuration refuses what needs it.
    """
    layers = layer_modules(model) if wanted else []
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
