"""GP: forget where the forget gradient is small (arXiv 2502.05374, whose released penalty has no gradient)."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import norm

RELEASED_WEIGHT = 0.01


@dataclass(frozen=True)
class GradientPenalty:
    """L_f + ``weight`` * ||grad L_f||, differentiated through the norm by double backward.

    ``implementation: released`` adds the norm as a number, and with a weight of 0.01 whatever ``weight`` says: the
    step is that of plain forgetting. ``penalty`` in the history is what was added to the loss.
    """

    weight: NonNegative
    implementation: Literal["corrected", "released"] = "corrected"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient",)

        @staticmethod
        def differentiates_gradients(settings: dict) -> bool:
            return settings["implementation"] == "corrected"

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            return 3

    def install(self, step: Step) -> None:
        """Add the penalty's gradient to the forget gradient."""
        step.replace("forget_gradient", partial(self._forget, step))

    def _forget(self, step: Step, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        if self.implementation == "released":
            loss, gradient = engine.forget_gradient(batch)
            step.measures["penalty"] = RELEASED_WEIGHT * norm(gradient)
            compare(step, "gp", gradient, gradient)
            return loss, gradient
        loss, gradients = engine.weights.graph_gradient(partial(engine.forget_loss, batch))
        size = torch.stack([tensor.float().pow(2).sum() for tensor in gradients.values()]).sum().sqrt()
        step.measures["penalty"] = self.weight * size.item()
        # The norm has no gradient where it is zero.
        penalised = loss + self.weight * size if size > 0 else loss
        taken = engine.weights.gradient(penalised)
        compare(step, "gp", {name: tensor.detach() for name, tensor in gradients.items()}, taken)
        return loss.item(), taken
