"""Counts a model's passes, tokens and operations while someone else runs it, without changing a bit.

``Cost`` (engine/cost.py) charges a training loop, whose steps are alike: torch counts the operations of the first. An
attack's passes differ, and counting must not change what it computes, so every product is counted here from the shapes
of the inputs of linear modules.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from unlearning_robustness.models.architecture import is_linear, sizes_of, stack_of


@dataclass
class Spent:
    """Forward and backward passes over a batch, real tokens of the forward ones, floating point operations.

    A pass begins at the first layer, wherever it ends; what goes on from a later layer adds operations alone.
    Operations are those of products with the weights of linear modules, the unembedding included, two a weight and
    token and as many for each gradient; attention scores are left out: with short texts they are a few hundredths.
    """

    forwards: int = 0
    backwards: int = 0
    tokens: int = 0
    operations: float = 0.0


@contextmanager
def metered(model: nn.Module, spent: Spent) -> Iterator[None]:
    """Inside the block add to ``spent`` what the model, or a ``LayerSpan`` of it, runs.

    The hook is torch's for all modules, so adapters that are put on meanwhile count and no module is touched. Raises
    ArchitectureError when the model has no layers to look at.
    """
    stack = stack_of(model)
    first = stack.layers[0]

    def hook(module: nn.Module, inputs: tuple, named: dict, output) -> None:
        if is_linear(module) and isinstance(output, torch.Tensor):  # a router of experts gives several
            _product(spent, module, inputs[0], output)
        elif (layers := module._modules.get(stack.list_name)) and layers[0] is first:
            spent.forwards += 1
            spent.tokens += real_tokens(signature(module.forward).bind_partial(*inputs, **named).arguments)
            if output.last_hidden_state.requires_grad:
                output.last_hidden_state.register_hook(lambda _: _backward(spent))

    handle = register_module_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def real_tokens(named: dict) -> int:
    """The number of a decoder's input tokens that are no padding, from its named arguments.

    Padding is masked by a mask (B, T); where questions are packed under one of four dimensions, its position is 0
    anywhere but in the first column.
    """
    ids, mask, positions = (named.get(name) for name in ("input_ids", "attention_mask", "position_ids"))
    count, length = (named["inputs_embeds"] if ids is None else ids).shape[:2]
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        return int(mask.sum())
    if positions is not None and len(positions) == count:
        return int((positions[:, 1:] > 0).sum()) + count
    return count * length


def _product(spent: Spent, module: nn.Module, inputs: torch.Tensor, output: torch.Tensor) -> None:
    operations = 2 * inputs.numel() * sizes_of(module)[1]
    spent.operations += operations
    if output.requires_grad:
        gradients = inputs.requires_grad + module.weight.requires_grad
        output.register_hook(lambda _: _gradients(spent, operations * gradients))


def _gradients(spent: Spent, operations: float) -> None:
    spent.operations += operations


def _backward(spent: Spent) -> None:
    spent.backwards += 1
