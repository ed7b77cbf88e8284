"""RAb: take a direction out of the forget activations (follow-up to RNA by its authors, arXiv 2601.21702).

Its sister RAd, target z_ref + c w with a random w, is RSV with a Gaussian direction.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs, activation_mse, relative_coefficient, unit_vector


@dataclass(frozen=True)
class RAb:
    """L_f = MSE(z_f, z_f_ref - c <z_f_ref, w> w), w drawn once.

    ``coefficient`` c has no unit: 1 removes w, more turns it round. w is a unit vector; ``steering`` is
    the law of its entries: ``uniform`` on [0, 1), or ``gaussian``.
    """

    reads: ClassVar[str] = "hidden"
    coefficient: float
    steering: Literal["uniform", "gaussian"] = "gaussian"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The direction w (d,), a unit vector."""
        return unit_vector(width, self.steering, generator, dtype)

    def manifest_facts(self, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
        """The coefficient relative to the mean norm of the reference's forget activations."""
        return relative_coefficient(self.coefficient, direction, activation_norm)

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        reference, direction = inputs.precise(inputs.reference_hidden), inputs.direction
        along = (reference @ direction)[..., None] * direction
        return activation_mse(inputs, reference - self.coefficient * along)
