"""RS: forget at several random neighbours (randomised smoothing of the weights; arXiv 2502.05374)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.config.effects import least_noise
from unlearning_robustness.config.ranges import Count, LengthUnit, Positive
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare, plain_gradient
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.lengths import unit_of
from unlearning_robustness.defences.perturbation import (
    RunningMean,
    Weighted,
    forget_gradient_at,
    forget_gradient_unrestored,
    gaussian,
)
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine


@dataclass(frozen=True)
class RandomisedSmoothing:
    """Mean forget gradient over ``draws`` Gaussian perturbations of standard deviation ``scale`` an element.

    Its ``unit``: ``absolute``, what a ``step`` of AdamW moves a weight by, which is the run's learning rate, or the
    root mean square weight (``norm``).

    Raises TrainingError when the model's number type swallows one. ``implementation: released`` puts the noise on and
    takes it off in that type, as the released code: in bfloat16 some weights do not come back, so they walk at random.
    Its optimiser step inside the training step bypasses the clipping of gradients, so here nothing is clipped.
    """

    scale: Positive
    draws: Count = 3
    unit: LengthUnit = "absolute"
    implementation: Literal["corrected", "released"] = "corrected"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient",)

        @staticmethod
        def inert(settings: dict, method: dict, half_step: float) -> Iterator[str]:
            scale, least = settings["scale"], least_noise(half_step)
            if (settings["unit"], settings["implementation"]) == ("norm", "corrected") and scale < least:
                yield f"rounding swallows noise of {scale:g} times a weight; give a scale of {least:.2g} at least"

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            return settings["draws"]

    def install(self, step: Step) -> None:
        """Take the forget gradient as a mean over neighbours."""
        step.replace("forget_gradient", partial(self._forget, step))
        step.clips = self.implementation != "released"

    def _forget(self, step: Step, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        master, mean, losses = engine.weights.master, RunningMean(), []
        scale, plain = self.scale * unit_of(self.unit, step, engine).weight, plain_gradient(step, engine, batch)
        for _ in range(self.draws):
            noise = gaussian(master, scale, generator)
            if self.implementation == "released":
                loss, gradient, step.measures["perturbation_norm"] = forget_gradient_unrestored(engine, batch, noise)
            else:
                loss, gradient = forget_gradient_at(engine, batch, Weighted((1, master), (1, noise)))
            compare(step, "rs", plain, gradient)
            plain = None
            losses.append(loss)
            mean.add(gradient)
            del gradient
        return sum(losses) / self.draws, mean.value()
