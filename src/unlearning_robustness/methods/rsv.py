"""RSV: push forget activations away by a random steering vector (RNA paper §2.2)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.methods.loss_inputs import LossInputs, activation_mse, relative_coefficient, unit_vector


@dataclass(frozen=True)
class RSV:
    """L_f = MSE(z_f, z_f_ref + c u), u drawn once, Gaussian in the released code.

    ``coefficient`` c is a length in the space of the read layer's activations, as 3 times their mean norm. u is a unit
    vector; ``steering`` is the law of its entries: ``uniform`` on [0, 1), or ``gaussian``.
    """

    reads: ClassVar[str] = "hidden"
    coefficient: NonNegative
    steering: Literal["uniform", "gaussian"] = "gaussian"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The steering direction u (d,)."""
        return unit_vector(width, self.steering, generator, dtype)

    def manifest_facts(self, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
        """The coefficient relative to the mean norm of the reference's forget activations."""
        return relative_coefficient(self.coefficient, direction, activation_norm)

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        target = inputs.precise(inputs.reference_hidden) + self.coefficient * inputs.direction
        return activation_mse(inputs, target)
