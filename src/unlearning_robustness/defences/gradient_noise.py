"""Control: isotropic gradient noise of the size that RNA's noise has in the gradient.

For activation targets RNA leaves the expected gradient unchanged, so it can act through gradient noise alone.
This control adds noise of equal norm, per tensor and step, but without RNA's structure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step, relative_noise_scale
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.rna import gaussian_noise
from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.engine.weights import Tensors, gaussian_of_norm


@dataclass(frozen=True)
class GradientNoise:
    """Add to each tensor's retain gradient noise of norm ||g(noisy reference) - g(reference)||.

    The noisy reference has RNA's noise of standard deviation ``noise_scale`` on its read-layer activations. Both
    gradients are of this very step: at the weights where a defence beside it takes the retain gradient, and under the
    same draws of that one's noise. So the size is what RNA in this place would add.
    ``match`` names the RNA defence whose control it is: tables and figures compare it with that one.
    """

    noise_scale: NonNegative
    match: str = "none"

    class Facts(DefenceFacts):
        acts_on = "reference"
        replaces = ("after_retain",)
        extra_retain_gradients = 1
        colours = ("#CC79A7", "#E7B8D3", "#7A2E5D")
        marker = "D"

    def install(self, step: Step) -> None:
        """Perturb the retain gradient after it is taken."""
        step.replace("after_retain", self._perturb)

    def manifest_facts(self, width: int, activation_norm: float) -> dict[str, float]:
        """The scale relative to the mean norm of the reference's retain activations of ``width`` dimensions."""
        return relative_noise_scale(self.noise_scale, width, activation_norm)

    def _perturb(self, clean: Tensors, again: Callable[[Noise], Tensors], generator: torch.Generator) -> Tensors:
        noisy = again(gaussian_noise(self.noise_scale, generator))
        return {
            name: gradient + gaussian_of_norm(gradient, (noisy[name] - gradient).norm(), generator)
            for name, gradient in clean.items()
        }
