"""Control: noise on the model in training instead of on the reference, which really smooths it.

RNA's analysis puts the noise into the model's own activations, its algorithm into the reference's. This control
does what the analysis says: the noise passes through the trained layers.
"""

from dataclasses import dataclass

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step, relative_noise_scale
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.rna import gaussian_noise


@dataclass(frozen=True)
class LatentNoise:
    """Noise of standard deviation ``noise_scale`` on what enters the first trained layer, on retain text."""

    noise_scale: NonNegative

    class Facts(DefenceFacts):
        acts_on = "retain"
        replaces = ("entering_noise",)
        shardable = True

    def install(self, step: Step) -> None:
        """Take the retain gradient through the noisy model."""
        step.replace("entering_noise", lambda generator: gaussian_noise(self.noise_scale, generator))

    def manifest_facts(self, width: int, activation_norm: float) -> dict[str, float]:
        """The scale relative to the mean norm of the reference's retain activations of ``width`` dimensions."""
        return relative_noise_scale(self.noise_scale, width, activation_norm)
