"""Retain losses: stay where the reference is, in activations or in predictions (RNA paper §2.2, §2.3).

A loss that does not look at the reference says ``needs_reference = False``, and the reference is not run for it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs, masked_mean, masked_mse
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


@dataclass(frozen=True)
class ActivationRetain:
    """L_r = MSE(z_r, z_r_ref): of the representation methods."""

    reads: ClassVar[str] = "hidden"

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return masked_mse(inputs.hidden, inputs.reference_hidden, inputs.mask)


def kl_divergence(logits: torch.Tensor, reference_logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over counted positions of KL(p_reference || p), of logits (B, T, V).

    Differs from MUSE's released code, which takes raw logits for log-probabilities.
    """
    log_p = logits.float().log_softmax(-1)
    log_reference = reference_logits.float().log_softmax(-1)
    divergence = (log_reference.exp() * (log_reference - log_p)).sum(-1)
    return masked_mean(divergence, mask)


def log_probability_mse(logits: torch.Tensor, reference_logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over counted positions and the vocabulary of (log p - log p_reference)^2, of logits (B, T, V)."""
    difference = logits.float().log_softmax(-1) - reference_logits.float().log_softmax(-1)
    return masked_mean(difference.pow(2).mean(-1), mask)


@dataclass(frozen=True)
class KLRetain:
    """L_r = KL(p_ref || p) on the retain text."""

    reads: ClassVar[str] = "logits"

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return kl_divergence(inputs.logits, inputs.reference_logits, inputs.mask)


@dataclass(frozen=True)
class MSERetain:
    """L_r = MSE(log p, log p_ref) on the retain text."""

    reads: ClassVar[str] = "logits"

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        return log_probability_mse(inputs.logits, inputs.reference_logits, inputs.mask)


@dataclass(frozen=True)
class NLLRetain:
    """L_r = mean NLL a token of the retain text; it has no reference, so RNA's noise does not reach it."""

    reads: ClassVar[str] = "logits"
    needs_reference: ClassVar[bool] = False

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        return normalise(nll, tokens, "batch-mean")
