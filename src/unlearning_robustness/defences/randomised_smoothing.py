"""RS: forget at several random neighbours (randomised smoothing of the weights; arXiv 2502.05374)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import RunningMean, Weighted, forget_gradient_at, gaussian
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
        master, mean, losses = engine.weights.master, RunningMean(), []
        for _ in range(self.draws):
            perturbed = Weighted((1, master), (1, gaussian(master, self.scale, generator)))
            loss, gradient = forget_gradient_at(engine, batch, perturbed)
            losses.append(loss)
            mean.add(gradient)
            del gradient
        return sum(losses) / self.draws, mean.value()
