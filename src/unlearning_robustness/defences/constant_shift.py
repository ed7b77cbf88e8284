"""Control: a constant shift of the retain target, of the length that RNA's noise has.

It moves the target as far as RNA does, but always to the same side, so there is no noise in the gradient.
"""

from dataclasses import dataclass

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step, relative_noise_scale
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.runtime.seeds import generator as stream


def constant_shift(scale: float, generator: torch.Generator) -> Noise:
    """Z -> z + scale w, w one draw of N(0, I_d) that depends on the generator's seed, not on its state."""

    def noise(hidden: torch.Tensor) -> torch.Tensor:
        fixed = stream(generator.initial_seed(), "constant-shift", hidden.device)
        return hidden.float() + scale * torch.randn(hidden.shape[-1], generator=fixed, device=hidden.device)

    return noise


@dataclass(frozen=True)
class ConstantShift:
    """The reference's read-layer activations of retain text, shifted by ``noise_scale`` times a fixed draw."""

    noise_scale: NonNegative

    class Facts(DefenceFacts):
        acts_on = "reference"
        replaces = ("reference_noise",)
        shardable = True

    def install(self, step: Step) -> None:
        """Take the retain gradient against the shifted reference."""
        step.replace("reference_noise", lambda generator: constant_shift(self.noise_scale, generator))

    def manifest_facts(self, width: int, activation_norm: float) -> dict[str, float]:
        """The scale relative to the mean norm of the reference's retain activations of ``width`` dimensions."""
        return relative_noise_scale(self.noise_scale, width, activation_norm)
