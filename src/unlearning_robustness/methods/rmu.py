"""RMU: steer forget activations to a fixed random vector (Li et al. 2024, arXiv 2403.03218; RNA paper §2.2)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.methods.loss_inputs import LossInputs, activation_mse, relative_coefficient, unit_vector


@dataclass(frozen=True)
class RMU:
    """L_f = MSE(z_f, c u), u drawn once.

    ``coefficient`` c is a length in the space of the read layer's activations, as 3 times their mean norm. u is a unit
    vector; ``steering`` is the law of its entries: ``uniform`` on [0, 1), or ``gaussian``.
    """

    reads: ClassVar[str] = "hidden"
    coefficient: NonNegative
    steering: Literal["uniform", "gaussian"] = "uniform"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The steering direction u (d,)."""
        return unit_vector(width, self.steering, generator, dtype)

    def manifest_facts(self, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
        """The coefficient relative to the mean norm of the reference's forget activations."""
        return relative_coefficient(self.coefficient, direction, activation_norm)

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return activation_mse(inputs, self.coefficient * inputs.direction)
