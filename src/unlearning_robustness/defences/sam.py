"""SAM: forget at the worst point of a neighbourhood (Fan et al. 2025, arXiv 2502.05374; Foret et al. 2021)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import ascended, forget_gradient_at
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine


@dataclass(frozen=True)
class SAM:
    """Forget gradient at theta + radius * g / ||g||, g the forget gradient at theta; ``radius`` is a weight norm."""

    radius: float

    def install(self, step: Step) -> None:
        """Take the forget gradient at the ascent point."""
        step.replace("forget_gradient", self._forget, "sam")

    def _forget(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        loss, gradient = engine.forget_gradient(batch)
        perturbed = ascended(engine.weights.master, gradient, self.radius)
        return loss, forget_gradient_at(engine, batch, perturbed)[1]
