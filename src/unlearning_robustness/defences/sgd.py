"""Control: SGD in place of AdamW.

Adam divides by the size of recent gradients, so noise in the retain gradient shortens its forget steps; SGD has no
such coupling.
"""

from dataclasses import dataclass

import torch

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts


@dataclass(frozen=True)
class SGD:
    """Plain SGD at ``learning_rate``."""

    learning_rate: Positive

    class Facts(DefenceFacts):
        replaces = ("optimiser",)
        shardable = True

    def install(self, step: Step) -> None:
        """Move by the gradient itself."""
        step.replace("optimiser", self._sgd)

    def _sgd(self, tensors: list[torch.Tensor], _: float, weight_decay: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(tensors, lr=self.learning_rate, weight_decay=weight_decay)
