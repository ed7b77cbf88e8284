"""KL retain loss: keep the reference's predictions (RNA paper §2.3)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import kl_div

from unlearning_robustness.methods.loss_inputs import LossInputs, masked_mean, mean_of_processes


def kl_divergence(logits: torch.Tensor, reference_logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over counted positions of KL(p_reference || p), of logits (B, T, V).

    Differs from MUSE's released code, which takes raw logits for log-probabilities.
    """
    log_p = logits.float().log_softmax(-1)
    log_reference = reference_logits.float().log_softmax(-1)
    divergence = (log_reference.exp() * (log_reference - log_p)).sum(-1)
    return masked_mean(divergence, mask)


def released_kl_divergence(logits: torch.Tensor, reference_logits: torch.Tensor) -> torch.Tensor:
    """The mean over all positions as RNA's code has it: of log p rounded to bfloat16, of p_reference not."""
    log_p = logits.log_softmax(-1).flatten(0, 1).bfloat16()
    log_reference = reference_logits.log_softmax(-1).flatten(0, 1)
    return mean_of_processes(kl_div(log_p, log_reference, reduction="batchmean", log_target=True), len(logits))


@dataclass(frozen=True)
class KLRetain:
    """L_r = KL(p_ref || p) on the retain text."""

    reads: ClassVar[str] = "logits"
    needs_reference: ClassVar[bool] = True

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        if inputs.released:
            return released_kl_divergence(inputs.logits, inputs.reference_logits)
        return kl_divergence(inputs.logits, inputs.reference_logits, inputs.mask)
