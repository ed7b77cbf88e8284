"""Adaptive RMU: RMU with a coefficient that follows the model's own scale (AAAI 2025, arXiv 2408.06223; RNA §2.2)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs, masked_mse, relative_coefficient, unit_vector


@dataclass(frozen=True)
class AdaptiveRMU:
    """L_f = MSE(z_f, s n_0 u), u drawn once, n_0 the mean activation norm of the first forget batch.

    ``scale`` s has no unit. Nothing is trained yet at the first batch, so its norm is the reference's. u is a unit
    vector; ``steering`` is the law of its entries: ``uniform`` on [0, 1), or ``gaussian``.
    """

    reads: ClassVar[str] = "hidden"
    scale: float
    steering: Literal["uniform", "gaussian"] = "uniform"

    def direction(self, width: int, generator: torch.Generator, first: torch.Tensor) -> torch.Tensor:
        """The steering direction n_0 u (d,); ``first`` (N, d) are the counted activations of the first batch."""
        return unit_vector(width, self.steering, generator) * first.float().norm(dim=-1).mean()

    def manifest_facts(self, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
        """The coefficient relative to the mean norm of the reference's forget activations."""
        return relative_coefficient(self.scale, direction, activation_norm)

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return masked_mse(inputs.hidden, self.scale * inputs.direction, inputs.mask)
