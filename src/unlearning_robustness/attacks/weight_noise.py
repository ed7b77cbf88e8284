"""Weight noise: is knowledge hidden so shallowly that a random disturbance of the weights brings it back?

Also the control of the other attacks on weights: what they do beyond it is not mere disturbance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import RewritingFacts
from unlearning_robustness.attacks.rewriting import rewritten
from unlearning_robustness.config.ranges import NonNegatives
from unlearning_robustness.engine.weights import gaussian_of_norm
from unlearning_robustness.runtime.seeds import generator


def noise(weight: torch.Tensor, seed: int, name: str) -> torch.Tensor:
    """Gaussian noise, float32, of the weight's shape and norm; the same for one seed and name on every device."""
    return gaussian_of_norm(weight, weight.float().norm(), generator(seed, f"attack-noise/{name}"))


@dataclass(frozen=True)
class WeightNoise:
    """Noise of norm ``scales`` times the tensor's in every linear module of the decoder layers.

    Scales are a budget, not a choice. One draw serves all of them, and all cells of a seed, so differences are paired.
    """

    scales: NonNegatives

    class Facts(RewritingFacts):
        @staticmethod
        def scored_points(settings: dict) -> int:
            return len(settings["scales"])

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the disturbed model at each scale, 0 is the model as it came; the weights come back bit for bit."""

        def disturbed(name: str, weight: torch.Tensor, scale: float) -> torch.Tensor:
            return weight.float() + scale * noise(weight, attack.seed, name)

        yield from rewritten(attack, {f"noise {scale:g}": scale for scale in self.scales}, disturbed)
