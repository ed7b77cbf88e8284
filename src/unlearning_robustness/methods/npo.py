"""NPO: negative preference optimisation (Zhang et al. 2024, arXiv 2404.05868; RNA paper §2.3)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn.functional import logsigmoid

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.methods.loss_inputs import LossInputs, batch_mean
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


def npo_loss(nll: torch.Tensor, reference_nll: torch.Tensor, beta: float) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta (nll - reference_nll)); both (B,) or scalars, equally normalised."""
    return -(2 / beta) * batch_mean(logsigmoid(beta * (nll - reference_nll)))


@dataclass(frozen=True)
class NPO:
    """L_f = NPO of the forget text against the frozen reference.

    ``beta`` is the inverse temperature: the smaller it is, the nearer the loss is to gradient ascent.
    ``normalisation``: a text's log-likelihood is its ``token-mean``, its ``sequence-sum``, or the ``batch-mean`` over
    all tokens of the batch.
    """

    reads: ClassVar[str] = "logits"
    beta: Positive
    normalisation: Literal["token-mean", "sequence-sum", "batch-mean"] = "token-mean"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        """NPO has no direction."""

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        current = normalise(nll, tokens, self.normalisation)
        reference = normalise(inputs.reference_nll, inputs.reference_tokens, self.normalisation)
        return npo_loss(current, reference, self.beta)
