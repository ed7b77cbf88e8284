"""NLL retain loss: go on predicting the retain text; with gradient ascent on the forget text, GradDiff."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.scoring.likelihood import normalise, sequence_nll


@dataclass(frozen=True)
class NLLRetain:
    """L_r = mean NLL of a token of the retain text; it has no reference, so RNA's noise does not reach it.

    The reference is not run for it.
    """

    reads: ClassVar[str] = "logits"
    needs_reference: ClassVar[bool] = False

    def __call__(self, inputs: LossInputs) -> torch.Tensor:
        nll, tokens = sequence_nll(inputs.logits, inputs.input_ids, inputs.mask)
        return normalise(nll, tokens, "batch-mean")
