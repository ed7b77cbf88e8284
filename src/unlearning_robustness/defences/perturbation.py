"""Perturbations of the trained weights: what is added to them, and the forget gradient there.

Neighbours of the weights are ``Weighted`` sums, computed tensor by tensor while they are written into the model. So a
defence keeps the gradients that it needs, and no copies of neighbours.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from unlearning_robustness.defences.base import Gradient
from unlearning_robustness.defences.rounding import refuse_rounding
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import Tensors, norm


class Weighted(Mapping):
    """A weighted sum of tensors, of (factor, tensors) pairs, which computes each name as it is read."""

    def __init__(self, *terms: tuple[float, Mapping[str, torch.Tensor]]):
        self.terms = terms

    def __getitem__(self, name: str) -> torch.Tensor:
        # In float32, so that it is rounded once: when it is written into the model.
        terms = ((factor, tensors[name]) for factor, tensors in self.terms)
        return sum(factor * tensor.to(torch.promote_types(tensor.dtype, torch.float32)) for factor, tensor in terms)

    def __iter__(self) -> Iterator[str]:
        return iter(self.terms[0][1])

    def __len__(self) -> int:
        return len(self.terms[0][1])


def factor_to(direction: Tensors, length: float) -> float:
    """The factor that gives ``direction`` Frobenius norm ``length``; 0 for a direction of no length."""
    size = norm(direction)
    return length / size if size > 0 else 0.0


def rescaled(direction: Tensors, length: float) -> Tensors:
    """``direction`` scaled to Frobenius norm ``length`` over all tensors together; zeros for one of no length."""
    factor = factor_to(direction, length)
    return {name: tensor * factor for name, tensor in direction.items()}


def step_along(weights: Mapping[str, torch.Tensor], direction: Tensors, length: float) -> Weighted:
    """``weights`` moved by ``length`` along ``direction``."""
    return Weighted((1, weights), (factor_to(direction, length), direction))


def gaussian(like: Tensors, scale: float, generator: torch.Generator) -> Tensors:
    """Independent N(0, scale^2) in the shapes of ``like``, drawn on the generator's device."""
    return {
        name: scale * torch.randn(tensor.shape, generator=generator, device=generator.device).to(tensor.device)
        for name, tensor in like.items()
    }


def add_scaled(tensors: Tensors, added: Tensors, factor: float = 1.0) -> Tensors:
    """``tensors`` + ``factor`` * ``added``."""
    return {name: tensor + factor * added[name] for name, tensor in tensors.items()}


class RunningMean:
    """The mean of gradients that arrive one after another; it keeps only their sum."""

    def __init__(self):
        self.total: Tensors = {}
        self.count = 0

    def add(self, gradient: Tensors) -> None:
        """Take one more; the first one's tensors become the sum."""
        self.count += 1
        if not self.total:
            self.total = gradient
            return
        for name, tensor in gradient.items():
            self.total[name] += tensor

    def value(self) -> Tensors:
        """The mean, which takes over the sum's tensors, so ask for it once."""
        for tensor in self.total.values():
            tensor /= self.count
        return self.total


@contextmanager
def perturbed(
    engine: Engine, values: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor] | None = None
) -> Iterator[None]:
    """Inside the block compute at other values of the trained tensors; the weights come back bit for bit.

    The perturbation leads from ``start``, by default the weights, to ``values``. Raises TrainingError when the model's
    number type swallows it; one that starts at another neighbour must be large enough by itself.
    """
    start = engine.weights.master if start is None else start
    with engine.weights.at(values):
        refuse_rounding(norm(Weighted((1, values), (-1, start))), engine.weights.displacement(start))
        yield


def forget_gradient_at(
    engine: Engine,
    batch: ActivationCache,
    values: Mapping[str, torch.Tensor],
    start: Mapping[str, torch.Tensor] | None = None,
) -> Gradient:
    """The forget gradient at ``values``, to which a perturbation leads from ``start``; see :func:`perturbed`."""
    with perturbed(engine, values, start):
        return engine.forget_gradient(batch)


def forget_gradient_unrestored(engine: Engine, batch: ActivationCache, added: Tensors) -> tuple[float, Tensors, float]:
    """Loss and gradient with ``added`` on the weights as released code puts it there, and its realised norm.

    It is added and subtracted in the model's number type: a small one is swallowed, and in bfloat16 the weights do not
    come back exactly.
    """
    with engine.weights.shifted(added):
        return *engine.forget_gradient(batch), engine.weights.displacement()
