"""Baseline: dropout on the model in training (of RNA's TMLR revision, whose rate and position are not published)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.config.ranges import Share
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.runtime.parallel import sample_local_rows


def dropout_noise(rate: float, generator: torch.Generator) -> Noise:
    """Z -> z with each element zeroed with probability ``rate`` and the others scaled to keep the mean."""

    def noise(hidden: torch.Tensor) -> torch.Tensor:
        kept = sample_local_rows(torch.rand, hidden.shape, generator, hidden.device) >= rate
        return hidden * kept / (1 - rate)

    return noise


@dataclass(frozen=True)
class Dropout:
    """Dropout of ``rate`` on the read-layer activations of the model in training, on retain text."""

    rate: Share

    class Facts(DefenceFacts):
        acts_on = "retain"
        replaces = ("leaving_noise",)
        shardable = True

    def install(self, step: Step) -> None:
        """Take the retain gradient through dropout."""
        step.replace("leaving_noise", lambda generator: dropout_noise(self.rate, generator))
