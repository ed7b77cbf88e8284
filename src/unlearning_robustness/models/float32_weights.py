"""A model that computes in float32 for a while, with the weights that it has.

In bfloat16 a score depends on the order in which a processor adds: by up to half a nat, in 3 % of predictions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# Values of `scoring.precision`.
AUTO, FLOAT32 = "auto", "float32"
ROUNDED = (torch.bfloat16, torch.float16)


@contextmanager
def scored_in(model: nn.Module, precision: str) -> Iterator[None]:
    """Inside, with ``precision`` float32, every weight and buffer of 16 bits is the same number in float32.

    With auto the model computes as it does. Both copies are held; afterwards the model is as before, bit for bit. Tied
    weights stay tied, since it is what the tensors hold that changes.
    """
    tensors = [*model.parameters(), *model.buffers()] if precision == FLOAT32 else []
    rounded = [(tensor, tensor.data) for tensor in tensors if tensor.dtype in ROUNDED]
    try:
        for tensor, data in rounded:
            tensor.data = data.float()
        yield
    finally:
        for tensor, data in rounded:
            tensor.data = data
