"""Baseline: dropout on the model in training (of RNA's TMLR revision, whose rate and position are not published)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.config.ranges import Share
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.runtime.parallel import sample_local_rows


def dropout_noise(rate: float, generator: torch.Generator) -> Noise:
    """Z -> z with each element zeroed with probability ``rate`` and the others scaled to keep the mean.

    The first token stays as it is: the attention sink, whose norm is several times that of any other, would drown what
    dropout does to the text.
    """

    def noise(hidden: torch.Tensor) -> torch.Tensor:
        factor = (sample_local_rows(torch.rand, hidden.shape, generator, hidden.device) >= rate) / (1 - rate)
        factor[:, 0] = 1
        return (hidden * factor).to(hidden.dtype)

    return noise


@dataclass(frozen=True)
class Dropout:
    """Dropout of ``rate`` on the read-layer activations of the model in training, on retain text.

    The first token of a text is left alone.
    """

    rate: Share

    class Facts(DefenceFacts):
        acts_on = "retain"
        replaces = ("leaving_noise",)
        shardable = True

    def install(self, step: Step) -> None:
        """Take the retain gradient through dropout."""
        step.replace("leaving_noise", lambda generator: dropout_noise(self.rate, generator))
