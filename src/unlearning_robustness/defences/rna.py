"""RNA: Random Noise Augmentation of the frozen reference on retain text (arXiv 2501.19202, §2.2, §2.3)."""

from dataclasses import dataclass
from typing import Literal

import torch

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step, relative_noise_scale
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.runtime.parallel import sample_local_rows


def gaussian_noise(scale: float, generator: torch.Generator) -> Noise:
    """Z -> z + scale N(0, I), fresh at every call; ``scale`` is a standard deviation, as in the released code."""

    def noise(hidden: torch.Tensor) -> torch.Tensor:
        return hidden.float() + scale * sample_local_rows(torch.randn, hidden.shape, generator, hidden.device)

    return noise


@dataclass(frozen=True)
class RNA:
    """Noise of standard deviation ``noise_scale`` on the reference's read-layer activations of the retain batch.

    Representation methods take the noisy activations as target; likelihood methods run the reference on from
    them. Never on the model in training, never on forget text, never at inference. In the ``unit`` ``norm`` noise of
    scale 1 is as long as the mean activation of the retain text, so that a scale carries over between models.
    """

    noise_scale: NonNegative
    unit: Literal["absolute", "norm"] = "absolute"

    class Facts(DefenceFacts):
        acts_on = "reference"
        replaces = ("reference_noise",)
        shardable = True
        colours = ("#0072B2", "#56B4E9", "#003F66")
        marker = "s"

    def install(self, step: Step) -> None:
        """Take the retain gradient against the noisy reference."""
        scale = self.noise_scale * (step.noise_unit() if self.unit == "norm" else 1.0)
        step.replace("reference_noise", lambda generator: gaussian_noise(scale, generator))

    def manifest_facts(self, width: int, activation_norm: float) -> dict[str, float]:
        """The scale relative to the mean norm of the reference's retain activations of ``width`` dimensions."""
        if self.unit == "norm":
            return {"relative_noise_scale": self.noise_scale}
        return relative_noise_scale(self.noise_scale, width, activation_norm)
