"""SimNPO: NPO without a reference (Fan et al. 2024, arXiv 2410.07163; RNA paper §2.3)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn.functional import logsigmoid

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.methods.loss_inputs import LossInputs, batch_mean
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


def simnpo_loss(nll: torch.Tensor, beta: float, margin: float = 0.0) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta nll - margin); ``nll`` (B,) or a scalar."""
    return -(2 / beta) * batch_mean(logsigmoid(beta * nll - margin))


@dataclass(frozen=True)
class SimNPO:
    """L_f = SimNPO of the forget text; ``margin`` is the paper's gamma, 0 in RNA's study.

    ``beta`` is the inverse temperature: the smaller it is, the nearer the loss is to gradient ascent.
    ``normalisation``: a text's log-likelihood is its ``token-mean``, its ``sequence-sum``, or the ``batch-mean`` over
    all tokens of the batch.
    """

    reads: ClassVar[str] = "logits"
    beta: Positive
    margin: float = 0.0
    normalisation: Literal["token-mean", "sequence-sum", "batch-mean"] = "token-mean"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        """SimNPO has no direction."""

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        return simnpo_loss(normalise(nll, tokens, self.normalisation), self.beta, self.margin)
