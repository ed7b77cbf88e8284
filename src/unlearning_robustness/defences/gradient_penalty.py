"""GP: forget where the forget gradient is small (arXiv 2502.05374, whose released penalty has no gradient)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine


@dataclass(frozen=True)
class GradientPenalty:
    """L_f + weight * ||grad L_f||, differentiated through the norm by double backward.

    Differs from the released code, which adds the norm as a number, so that it changes nothing.
    """

    weight: float

    def install(self, step: Step) -> None:
        """Add the penalty's gradient to the forget gradient."""
        step.replace("forget_gradient", self._forget, "gradient-penalty")

    def _forget(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        loss = engine.forget_loss(batch)
        gradients = engine.weights.graph_gradient(loss)
        size = torch.stack([tensor.float().pow(2).sum() for tensor in gradients.values()]).sum().sqrt()
        return loss.item(), engine.weights.gradient(loss + self.weight * size)
