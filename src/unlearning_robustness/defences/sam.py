"""SAM: forget at the worst point of a neighbourhood (Fan et al. 2025, arXiv 2502.05374; Foret et al. 2021)."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.config.ranges import LengthUnit, Positive
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.lengths import unit_of
from unlearning_robustness.defences.perturbation import (
    forget_gradient_at,
    forget_gradient_unrestored,
    rescaled,
    step_along,
)
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine


@dataclass(frozen=True)
class SAM:
    """Forget gradient at theta + radius * g / ||g||, g the forget gradient at theta; ``radius`` is a weight norm.

    Its ``unit``: ``absolute``, as papers give it, a ``step`` of AdamW at the run's learning rate, or the ``norm`` of
    the trained tensors.

    Raises TrainingError when the model's number type swallows the perturbation. ``implementation: released`` puts it on
    and takes it off in that type, as the released code: there most of a radius of 0.01 is lost in bfloat16, and the
    weights drift. ``perturbation_norm`` in the history is what was realised.
    """

    radius: Positive
    unit: LengthUnit = "absolute"
    implementation: Literal["corrected", "released"] = "corrected"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient",)

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            return 2

    def install(self, step: Step) -> None:
        """Take the forget gradient at the ascent point."""
        step.replace("forget_gradient", partial(self._forget, step))

    def _forget(self, step: Step, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        loss, gradient = engine.forget_gradient(batch)
        radius = self.radius * unit_of(self.unit, step, engine).length
        if self.implementation == "released":
            ascent = rescaled(gradient, radius)
            higher, ascended, step.measures["perturbation_norm"] = forget_gradient_unrestored(engine, batch, ascent)
        else:
            neighbour = step_along(engine.weights.master, gradient, radius)
            higher, ascended = forget_gradient_at(engine, batch, neighbour)
        step.measures["loss_perturbed"] = higher
        compare(step, "sam", gradient, ascended)
        return loss, ascended
