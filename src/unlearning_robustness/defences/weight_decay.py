"""Baseline: weight decay (of the RNA paper's TMLR revision; its value is not published)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from unlearning_robustness.config.effects import shrinkage, whole_steps
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

        @staticmethod
        def inert(settings: dict, method: dict, half_step: float) -> Iterator[str]:
            if method["learning_rate_unit"] == "norm":
                return
            # Without masters every step is rounded by itself.
            rate, steps = method["learning_rate"], 1 if method["precision"] == "pure" else whole_steps(method)
            shrunk = shrinkage(rate, settings["weight_decay"], steps)
            if shrunk < half_step:
                yield (
                    f"weight_decay {settings['weight_decay']:g} shrinks a weight by {100 * shrunk:.2g} % in {steps:g} "
                    f"step(s) at learning rate {rate:g}, less than half a step of its number type "
                    f"({100 * half_step:.2g} %); give {half_step / rate / steps:.2g} at least"
                )

    def install(self, step: Step) -> None:
        """Keep AdamW: no other defence may replace it then."""
        step.replace("optimiser", step.optimiser)

    def reschedule(self, schedule: Schedule) -> Schedule:
        """Decay the trained tensors."""
        return replace(schedule, weight_decay=self.weight_decay)
