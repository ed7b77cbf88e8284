"""CR: forget where the gradient changes little along itself (arXiv 2502.05374, whose penalty has no gradient)."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.config.ranges import LengthUnit, NonNegative, Positive
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.lengths import unit_of
from unlearning_robustness.defences.perturbation import add_scaled, factor_to, forget_gradient_at, step_along
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.hessian import inner_product
from unlearning_robustness.engine.weights import Tensors, norm

RELEASED_RADIUS = 0.01


@dataclass(frozen=True)
class CurvatureRegularisation:
    """L_f + ``weight`` * ||grad L_f(theta + radius v) - grad L_f(theta)||, v = g / ||g|| held fixed.

    ``unit`` of ``radius``: ``absolute``, a ``step`` of AdamW at the run's learning rate, or the ``norm`` of the trained
    tensors.

    The penalty's gradient is (H(theta + radius v) - H(theta)) u, u the difference's direction: two Hessian-vector
    products. Raises TrainingError when the model's number type swallows the perturbation.

    ``implementation: released`` adds the norm as a number and differentiates L_f twice, so that the step is plain
    forgetting with twice the forget gradient; its radius is 0.01 whatever ``radius`` says. ``penalty`` in the history
    is what was added to the loss.
    """

    weight: NonNegative
    radius: Positive
    unit: LengthUnit = "absolute"
    implementation: Literal["corrected", "released"] = "corrected"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient",)

        @staticmethod
        def differentiates_gradients(settings: dict) -> bool:
            return settings["implementation"] == "corrected"

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            return 8

    def install(self, step: Step) -> None:
        """Add the penalty's gradient to the forget gradient."""
        step.replace("forget_gradient", partial(self._forget, step))

    def _forget(self, step: Step, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        loss, gradient = engine.forget_gradient(batch)
        released = self.implementation == "released"
        radius = RELEASED_RADIUS if released else self.radius * unit_of(self.unit, step, engine).length
        perturbed = step_along(engine.weights.master, gradient, radius)
        if released:
            with engine.weights.at(perturbed):
                _, change = engine.forget_gradient(batch)
        else:
            _, change = forget_gradient_at(engine, batch, perturbed)
        for name, tensor in change.items():
            tensor -= gradient[name]
        step.measures["penalty"] = self.weight * norm(change)
        factor = self.weight * factor_to(change, 1.0)
        if released or factor == 0:
            compare(step, "cr", gradient, gradient)
            return loss, add_scaled(gradient, gradient) if released else gradient
        with engine.weights.at(perturbed):
            penalty = hessian_product(engine, batch, change)
        for name, tensor in hessian_product(engine, batch, change).items():
            penalty[name] -= tensor
        penalised = add_scaled(gradient, penalty, factor)
        compare(step, "cr", gradient, penalised)
        return loss, penalised


def hessian_product(engine: Engine, batch: ActivationCache, direction: Tensors) -> Tensors:
    """Hessian of the forget loss at the present weights times ``direction``, float32."""
    _, gradients = engine.weights.graph_gradient(partial(engine.forget_loss, batch))
    return engine.weights.gradient(inner_product(gradients, direction))
