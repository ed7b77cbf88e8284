"""Random directions among the trained tensors; drawn on the CPU, so that every device has the same ones."""

import torch

from unlearning_robustness.defences.perturbation import add_scaled, gaussian, rescaled
from unlearning_robustness.defences.projection import inner
from unlearning_robustness.engine.weights import Tensors, norm


def random_direction(like: Tensors, length: float, generator: torch.Generator) -> Tensors:
    """An isotropic direction of Frobenius norm ``length`` over all tensors together, in the shapes of ``like``."""
    return rescaled(gaussian(like, 1.0, generator), length)


def filter_normalised(weights: Tensors, generator: torch.Generator) -> Tensors:
    """A Gaussian direction whose rows have the norms of the weights' rows (Li et al. 2018)."""
    drawn = gaussian(weights, 1.0, generator)
    return {
        name: tensor / tensor.norm(dim=1, keepdim=True) * weights[name].norm(dim=1, keepdim=True)
        for name, tensor in drawn.items()
    }


def orthogonal_to(first: Tensors, generator: torch.Generator) -> Tensors:
    """A Gaussian direction without its part along ``first``, of the norm of ``first``."""
    drawn, size = random_direction(first, 1.0, generator), norm(first)
    # Twice: what rounding leaves of the first time is gone after the second.
    for _ in range(2):
        drawn = add_scaled(drawn, first, -inner(drawn, first) / size**2 if size > 0 else 0.0)
    return rescaled(drawn, size)
