"""CR: forget where the gradient changes little along itself (arXiv 2502.05374, whose penalty has no gradient)."""

from dataclasses import dataclass
from typing import Literal

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import along, forget_gradient_at, plus
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine
from unlearning_robustness.models.weights import Tensors, norm

RELEASED_RADIUS = 0.01


@dataclass(frozen=True)
class CurvatureRegularisation:
    """L_f + weight * ||grad L_f(theta + radius v) - grad L_f(theta)||, v = g / ||g|| held fixed.

    The penalty's gradient is (H(theta + radius v) - H(theta)) u, u the difference's direction: two Hessian-vector
    products. Raises TrainingError when the model's number type swallows the perturbation.

    ``implementation: released`` adds the norm as a number and differentiates L_f twice, so that the step is plain
    forgetting with twice the forget gradient; its radius is 0.01 whatever ``radius`` says. ``penalty`` in the history
    is what was added to the loss.
    """

    weight: float
    radius: float
    implementation: Literal["corrected", "released"] = "corrected"

    def install(self, step: Step) -> None:
        """Add the penalty's gradient to the forget gradient."""
        step.replace("forget_gradient", lambda *given: self._forget(step, *given), "curvature")

    def _forget(self, step: Step, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        loss, gradient = engine.forget_gradient(batch)
        if self.implementation == "released":
            with engine.weights.at(plus(engine.weights.master, along(gradient, RELEASED_RADIUS))):
                _, ahead = engine.forget_gradient(batch)
            step.measures["penalty"] = self.weight * norm(plus(ahead, gradient, -1.0))
            return loss, plus(gradient, gradient)
        perturbed = plus(engine.weights.master, along(gradient, self.radius))
        _, ahead = forget_gradient_at(engine, batch, perturbed)
        change = plus(ahead, gradient, -1.0)
        step.measures["penalty"] = self.weight * norm(change)
        if norm(change) == 0:
            return loss, gradient
        direction = along(change, 1.0)
        here = hessian_product(engine, batch, direction)
        with engine.weights.at(perturbed):
            there = hessian_product(engine, batch, direction)
        return loss, plus(gradient, plus(there, here, -1.0), self.weight)


def hessian_product(engine: Engine, batch: TextBank, direction: Tensors) -> Tensors:
    """Hessian of the forget loss at the present weights times ``direction``, float32."""
    gradients = engine.weights.graph_gradient(engine.forget_loss(batch))
    inner = torch.stack([(gradients[name].float() * direction[name]).sum() for name in gradients]).sum()
    return engine.weights.gradient(inner)
