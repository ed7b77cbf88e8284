"""RS: forget at several random neighbours (randomised smoothing of the weights; arXiv 2502.05374)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import forget_gradient_at, gaussian, mean, plus
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine


@dataclass(frozen=True)
class RandomisedSmoothing:
    """Mean forget gradient over ``draws`` Gaussian perturbations of standard deviation ``scale`` an element."""

    scale: float
    draws: int = 3

    def install(self, step: Step) -> None:
        """Take the forget gradient as a mean over neighbours."""
        step.replace("forget_gradient", self._forget, "randomised-smoothing")

    def _forget(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        master, found = engine.weights.master, []
        for _ in range(self.draws):
            perturbed = plus(master, gaussian(master, self.scale, generator))
            found.append(forget_gradient_at(engine, batch, perturbed))
        return sum(loss for loss, _ in found) / self.draws, mean([gradient for _, gradient in found])
