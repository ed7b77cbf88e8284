"""The retain loss of representation methods: stay where the reference's activations are (RNA paper §2.2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs, activation_mse


@dataclass(frozen=True)
class ActivationRetain:
    """L_r = MSE(z_r, z_r_ref) on the retain text."""

    reads: ClassVar[str] = "hidden"
    needs_reference: ClassVar[bool] = True

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return activation_mse(inputs, inputs.reference_hidden)
