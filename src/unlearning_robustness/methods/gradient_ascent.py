"""Gradient ascent on the forget text (Jang et al. 2023, arXiv 2210.01504); with the NLL retain loss, GradDiff."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs, batch_mean
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


@dataclass(frozen=True)
class GradientAscent:
    """L_f = -NLL of the forget text, unbounded below.

    ``normalisation``: a text's log-likelihood is its ``token-mean``, its ``sequence-sum``, or the ``batch-mean`` over
    all tokens of the batch.
    """

    reads: ClassVar[str] = "logits"
    normalisation: Literal["token-mean", "sequence-sum", "batch-mean"] = "token-mean"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        """Gradient ascent has no direction."""

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        return -batch_mean(normalise(nll, tokens, self.normalisation))
