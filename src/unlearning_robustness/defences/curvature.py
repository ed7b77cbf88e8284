"""CR: forget where the gradient changes little along itself (arXiv 2502.05374, whose penalty has no gradient)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import along, plus
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine
from unlearning_robustness.models.weights import Tensors, norm


@dataclass(frozen=True)
class CurvatureRegularisation:
    """L_f + weight * ||grad L_f(theta + radius v) - grad L_f(theta)||, v = g / ||g|| held fixed.

    The penalty's gradient is (H(theta + radius v) - H(theta)) u, u the difference's direction: two Hessian-vector
    products. Differs from the released code, which adds the norm as a number.
    """

    weight: float
    radius: float

    def install(self, step: Step) -> None:
        """Add the penalty's gradient to the forget gradient."""
        step.replace("forget_gradient", self._forget, "curvature")

    def _forget(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        loss, gradient = engine.forget_gradient(batch)
        perturbed = plus(engine.weights.master, along(gradient, self.radius))
        with engine.weights.at(perturbed):
            _, ahead = engine.forget_gradient(batch)
        change = plus(ahead, gradient, -1.0)
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
