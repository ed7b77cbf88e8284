"""Gradient harmonisation: take out of the forget gradient what works against the retain gradient (StableUN Eq. 12)."""

from collections.abc import Mapping

import torch

from unlearning_robustness.engine.weights import Tensors

Gradients = Mapping[str, torch.Tensor]

GUARD = 1e-8


def inner(first: Gradients, second: Gradients) -> float:
    """Inner product over all tensors together."""
    return sum((first[name].double() * second[name].double()).sum().item() for name in first)


def cosine(first: Gradients, second: Gradients) -> float:
    """Cosine between two gradients over all tensors together; 0 where one of them has no length."""
    lengths = inner(first, first) * inner(second, second)
    return inner(first, second) / lengths**0.5 if lengths > 0 else 0.0


def harmonise(forget: Tensors, retain: Gradients, projection: str, granularity: str) -> Tensors:
    """The forget gradient without its part along the retain gradient.

    ``conditional``: only where their inner product is negative (LTU, PCGrad); ``unconditional``: always (PRISM's
    code); ``none``: never. ``granularity``: over all tensors together (``global``) or for each (``tensor``). With a
    retain gradient of no length the forget gradient stays as it is.
    """
    if projection == "none":
        return forget
    if granularity == "tensor":
        return {name: _project({name: forget[name]}, {name: retain[name]}, projection)[name] for name in forget}
    return _project(forget, retain, projection)


def _project(forget: Tensors, retain: Gradients, projection: str) -> Tensors:
    along = inner(forget, retain)
    if projection == "conditional" and along >= 0:
        return forget
    factor = along / (inner(retain, retain) + GUARD)
    return {name: tensor - factor * retain[name] for name, tensor in forget.items()}
