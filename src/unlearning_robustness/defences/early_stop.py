"""Controls: the plain run, stopped where it is a defended cell's equal in forgetting, in distance or in cost.

If plain unlearning stopped early does what a defence does, the defence is weaker unlearning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from unlearning_robustness.config.effects import LEAST_CHECKPOINTS, checkpoints
from unlearning_robustness.config.ranges import Count, NonNegative, Positive, Proportion
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.schedule import Schedule


@dataclass(frozen=True)
class EarlyStop:
    """Stop at the first step that is equal to the cell with defence ``match``, looking every ``every`` steps.

    ``equal`` says in what. ``forgetting``: what the model knows of the forget facts of ``select`` is not shown to lie
    above what that cell's does, by a one-sided paired test at ``confidence``; a flat stretch so gives its first step.
    ``distance``: the weights moved as far, ||dW||. ``operations``: training took as many floating point operations.

    The learning rate is constant, so the state at a step does not depend on how many steps follow. It trains for at
    most ``longest`` times the method's steps. ``retain_factor`` multiplies the retain weight: the control "more
    retaining".
    """

    match: str
    every: Count
    equal: Literal["forgetting", "distance", "operations"] = "forgetting"
    confidence: Proportion = 0.95
    longest: Positive = 1.0
    retain_factor: NonNegative = 1.0

    class Facts(DefenceFacts):
        needs_matched_cell = True
        colours = ("#009E73", "#7FCDBB", "#00573F")
        marker = "^"

        @staticmethod
        def unfit(settings: dict, method: dict) -> Iterator[str]:
            if method["decay"] != "none":
                yield "its learning rate falls towards the last step, so stopping early is another run; leave decay out"

        @staticmethod
        def inert(settings: dict, method: dict, half_step: float) -> Iterator[str]:
            steps, every = method["steps"], settings["every"]
            if (left := checkpoints(steps, every)) < LEAST_CHECKPOINTS:
                most = (steps - 1) // (LEAST_CHECKPOINTS - 1)
                mend = f"give an `every` of at most {most}" if most else f"train {LEAST_CHECKPOINTS} steps or more"
                yield f"looking every {every} of {steps} steps it chooses among {left} checkpoint(s); {mend}"

        @staticmethod
        def steps(settings: dict, steps: int) -> int:
            return max(1, round(steps * settings["longest"]))

        @staticmethod
        def scores_select(settings: dict) -> bool:
            return settings["equal"] == "forgetting"

        @staticmethod
        def select_scorings(settings: dict, steps: int) -> int:
            # Each question is asked twice, about its own and about another entity, and half way is the mean end.
            return steps // settings["every"] + 2

    def install(self, step) -> None:
        """The steps themselves are plain ones."""

    def reschedule(self, schedule: Schedule) -> Schedule:
        """The steps that are trained at most."""
        return replace(schedule, steps=self.Facts.steps({"longest": self.longest}, schedule.steps))
