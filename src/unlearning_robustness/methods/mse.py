"""MSE retain loss: keep the reference's log-probabilities (RNA paper §2.3)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import mse_loss

from unlearning_robustness.methods.loss_inputs import LossInputs, masked_mean, mean_of_processes


def log_probability_mse(logits: torch.Tensor, reference_logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over counted positions and the vocabulary of (log p - log p_reference)^2, of logits (B, T, V)."""
    difference = logits.float().log_softmax(-1) - reference_logits.float().log_softmax(-1)
    return masked_mean(difference.pow(2).mean(-1), mask)


def released_log_probability_mse(logits: torch.Tensor, reference_logits: torch.Tensor) -> torch.Tensor:
    """The mean over all positions as RNA's code has it: of log-probabilities rounded to bfloat16."""
    own = mse_loss(logits.log_softmax(-1).bfloat16(), reference_logits.log_softmax(-1).bfloat16())
    return mean_of_processes(own, len(logits))


@dataclass(frozen=True)
class MSERetain:
    """L_r = MSE(log p, log p_ref) on the retain text."""

    reads: ClassVar[str] = "logits"
    needs_reference: ClassVar[bool] = True

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        if inputs.released:
            return released_log_probability_mse(inputs.logits, inputs.reference_logits)
        return log_probability_mse(inputs.logits, inputs.reference_logits, inputs.mask)
