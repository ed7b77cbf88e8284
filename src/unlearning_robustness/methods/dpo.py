"""DPO: prefer a refusal to the forget text (Rafailov et al. 2023, arXiv 2305.18290; RNA paper §2.3)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn.functional import logsigmoid

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.methods.loss_inputs import LossInputs, batch_mean
from unlearning_robustness.runtime.parallel import first_row
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


def dpo_loss(
    nll: torch.Tensor,
    refusal_nll: torch.Tensor,
    reference_nll: torch.Tensor,
    reference_refusal_nll: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta ((nll - refusal_nll) - (reference_nll - reference_refusal_nll))); all (B,)."""
    margin = (nll - refusal_nll) - (reference_nll - reference_refusal_nll)
    return -(2 / beta) * batch_mean(logsigmoid(beta * margin))


@dataclass(frozen=True)
class DPO:
    """L_f = DPO of (refusal preferred, forget text rejected) against the frozen reference.

    ``beta`` is the inverse temperature: the smaller it is, the nearer the loss is to gradient ascent.
    ``normalisation``: a text's log-likelihood is its ``token-mean``, its ``sequence-sum``, or the ``batch-mean`` over
    all tokens of the batch.

    ``implementation: released`` is RNA's code, which takes the *current* model's likelihood of the refusal for the
    reference's: it cancels, and what remains is NPO in value and in gradient.
    """

    reads: ClassVar[str] = "logits"
    needs_refusal: ClassVar[bool] = True
    beta: Positive
    implementation: Literal["corrected", "released"] = "corrected"
    normalisation: Literal["token-mean", "sequence-sum", "batch-mean"] = "token-mean"

    def direction(self, width: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        """DPO has no direction."""

    def _likelihoods(self, inputs: LossInputs) -> tuple[torch.Tensor, torch.Tensor]:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        reference = normalise(inputs.reference_nll, inputs.reference_tokens, self.normalisation)
        return normalise(nll, tokens, self.normalisation), reference

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        forget, reference_forget = self._likelihoods(inputs)
        refusal, reference_refusal = (paired(part, forget) for part in self._likelihoods(inputs.refusal))
        if self.implementation == "released":
            reference_refusal = refusal
        return dpo_loss(forget, refusal, reference_forget, reference_refusal, self.beta)


def paired(refusal: torch.Tensor, forget: torch.Tensor) -> torch.Tensor:
    """The refusals (R,) dealt in turn to the forget texts (B,) of all processes; scalars stay as they are."""
    if refusal.ndim == 0:
        return refusal
    texts = first_row(len(forget)) + torch.arange(len(forget), device=refusal.device)
    return refusal[texts % len(refusal)]
