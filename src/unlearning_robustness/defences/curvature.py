"""CR: forget where the gradient changes little along itself (arXiv 2502.05374, whose penalty has no gradient)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import ascended, factor_to, plus
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine
from unlearning_robustness.models.weights import Tensors


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
        perturbed = ascended(engine.weights.master, gradient, self.radius)
        with engine.weights.at(perturbed):
            _, change = engine.forget_gradient(batch)
        for name, tensor in change.items():
            tensor -= gradient[name]
        factor = self.weight * factor_to(change, 1.0)
        if factor == 0:
            return loss, gradient
        with engine.weights.at(perturbed):
            penalty = hessian_product(engine, batch, change)
        for name, tensor in hessian_product(engine, batch, change).items():
            penalty[name] -= tensor
        return loss, plus(gradient, penalty, factor)


def hessian_product(engine: Engine, batch: TextBank, direction: Tensors) -> Tensors:
    """Hessian of the forget loss at the present weights times ``direction``, float32."""
    gradients = engine.weights.graph_gradient(engine.forget_loss(batch))
    inner = torch.stack([(gradients[name].float() * direction[name]).sum() for name in gradients]).sum()
    return engine.weights.gradient(inner)
