"""Baseline: weight decay (of the RNA paper's TMLR revision; its value is not published)."""

from dataclasses import dataclass, replace

from unlearning_robustness.config.ranges import NonNegative
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.schedule import Schedule


@dataclass(frozen=True)
class WeightDecay:
    """AdamW's decoupled decay by ``weight_decay``."""

    weight_decay: NonNegative

    class Facts(DefenceFacts):
        replaces = ("optimiser",)
        shardable = True

    def install(self, step: Step) -> None:
        """Keep AdamW: no other defence may replace it then."""
        step.replace("optimiser", step.optimiser)

    def reschedule(self, schedule: Schedule) -> Schedule:
        """Decay the trained tensors."""
        return replace(schedule, weight_decay=self.weight_decay)
