"""Adaptive RMU: RMU with a coefficient that follows the model's own scale (AAAI 2025, arXiv 2408.06223; RNA §2.2)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.methods.loss_inputs import LossInputs, activation_mse, relative_coefficient, unit_vector


@dataclass(frozen=True)
class AdaptiveRMU:
    """L_f = MSE(z_f, s n_0 u), u drawn once, n_0 the mean activation norm of the first forget batch.

    ``scale`` s has no unit. Nothing is trained yet at the first batch, so its norm is the reference's. The first token
    of a text, the attention sink, is left out of it, as its norm is several times that of the others; released code
    takes it in, and padding, which made n_0 12 % longer on SmolLM2-135M. u is a unit vector; ``steering`` is the law of
    its entries: ``uniform`` on [0, 1), or ``gaussian``.
    """

    reads: ClassVar[str] = "hidden"
    scale: NonNegative
    steering: Literal["uniform", "gaussian"] = "uniform"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The steering direction u (d,)."""
        return unit_vector(width, self.steering, generator, dtype)

    def scaled(self, direction: torch.Tensor, mean_norm: float) -> torch.Tensor:
        """n_0 u, of the mean norm of the counted activations of the first forget batch."""
        return direction * mean_norm

    def manifest_facts(self, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
        """The coefficient relative to the mean norm of the reference's forget activations."""
        return relative_coefficient(self.scale, direction, activation_norm)

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return activation_mse(inputs, self.scale * inputs.direction)
