"""Control: the same training for more steps, to compare a defence with what its passes would buy without it."""

from dataclasses import dataclass, replace

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.schedule import Schedule


@dataclass(frozen=True)
class MoreSteps:
    """``factor`` times as many steps, rounded; what comes before stays the same, as the learning rate is constant."""

    factor: Positive

    class Facts(DefenceFacts):
        replaces = ("schedule",)
        shardable = True

        @staticmethod
        def steps(settings: dict, steps: int) -> int:
            return round(steps * settings["factor"])

    def install(self, step: Step) -> None:
        """The steps themselves are as they were."""

    def reschedule(self, schedule: Schedule) -> Schedule:
        """The longer schedule, of at least one step."""
        return replace(schedule, steps=max(1, round(self.factor * schedule.steps)))
