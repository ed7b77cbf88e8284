"""Optimisers by their formulas; ``state`` belongs to one tensor and changes in place."""

import torch
from torch import Tensor


def adamw(tensor: Tensor, gradient: Tensor, rate: float, state: dict, decay: float = 0.0) -> Tensor:
    """AdamW as Loshchilov and Hutter (arXiv 1711.05101) and torch have it."""
    state["t"] = state.get("t", 0) + 1
    state["m"] = 0.9 * state.get("m", torch.zeros_like(gradient)) + 0.1 * gradient
    state["v"] = 0.999 * state.get("v", torch.zeros_like(gradient)) + 0.001 * gradient**2
    mean, square = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
    return tensor * (1 - rate * decay) - rate * mean / (square.sqrt() + 1e-8)


def transformers_adamw(tensor: Tensor, gradient: Tensor, rate: float, state: dict, decay: float = 0.0) -> Tensor:
    """AdamW as transformers had it: 1e-6 beside the root of the uncorrected second moment, decay afterwards.

    Every operation is rounded to the tensor's number type, so their order is that code's.
    """
    state["t"] = state.get("t", 0) + 1
    state["m"] = state.get("m", torch.zeros_like(gradient)).mul(0.9).add(gradient, alpha=0.1)
    state["v"] = state.get("v", torch.zeros_like(gradient)).mul(0.999).addcmul(gradient, gradient, value=0.001)
    length = rate * (1 - 0.999 ** state["t"]) ** 0.5 / (1 - 0.9 ** state["t"])
    tensor = tensor.addcdiv(state["m"], state["v"].sqrt() + 1e-6, value=-length)
    return tensor - rate * decay * tensor if decay else tensor


def sgd(tensor: Tensor, gradient: Tensor, rate: float, state: dict, decay: float = 0.0) -> Tensor:
    return tensor - rate * (gradient + decay * tensor)


def clipped(gradients: dict[str, Tensor], limit: float) -> dict[str, Tensor]:
    """All gradients together shortened to ``limit``."""
    size = torch.cat([tensor.flatten() for tensor in gradients.values()]).norm()
    return {name: tensor * min(1.0, limit / size.item()) for name, tensor in gradients.items()}
