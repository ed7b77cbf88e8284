"""Baseline: weight decay (of the RNA paper's TMLR revision; its value is not published)."""

from dataclasses import dataclass

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step, adamw
from unlearning_robustness.defences.facts import DefenceFacts


@dataclass(frozen=True)
class WeightDecay:
    """AdamW's decoupled decay by ``weight_decay``."""

    weight_decay: NonNegative

    class Facts(DefenceFacts):
        replaces = ("optimiser",)
        shardable = True

    def install(self, step: Step) -> None:
        """Decay the trained tensors."""
        step.replace("optimiser", lambda tensors, rate, _: adamw(tensors, rate, self.weight_decay))
