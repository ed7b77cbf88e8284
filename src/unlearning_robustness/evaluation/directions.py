"""Random directions among the trained tensors; drawn on the CPU, so that every device has the same ones."""

from collections.abc import Collection

import torch

from unlearning_robustness.defences.perturbation import add_scaled, gaussian, rescaled
from unlearning_robustness.defences.projection import inner
from unlearning_robustness.engine.weights import Tensors, norm


def random_direction(like: Tensors, length: float, generator: torch.Generator) -> Tensors:
    """An isotropic direction of Frobenius norm ``length`` over all tensors together, in the shapes of ``like``."""
    return rescaled(gaussian(like, 1.0, generator), length)


def filter_normalised(weights: Tensors, generator: torch.Generator, inputs_first: Collection[str] = ()) -> Tensors:
    """A Gaussian direction of which what makes one output has the norm that it has in the weights (Li et al. 2018).

    That is a row of a matrix, but a column of those named in ``inputs_first``, and the whole of a vector.
    """
    drawn, lengths = gaussian(weights, 1.0, generator), {}
    for name, tensor in drawn.items():
        along = -2 if name in inputs_first else -1
        lengths[name] = weights[name].norm(dim=along, keepdim=True) / tensor.norm(dim=along, keepdim=True)
    return {name: tensor * lengths[name] for name, tensor in drawn.items()}


def orthogonal_to(first: Tensors, generator: torch.Generator) -> Tensors:
    """A Gaussian direction without its part along ``first``, of the norm of ``first``."""
    drawn, size = random_direction(first, 1.0, generator), norm(first)
    # Twice: what rounding leaves of the first time is gone after the second.
    for _ in range(2):
        drawn = add_scaled(drawn, first, -inner(drawn, first) / size**2 if size > 0 else 0.0)
    return rescaled(drawn, size)
