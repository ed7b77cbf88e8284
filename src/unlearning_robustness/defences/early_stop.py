"""Control: the plain run, stopped at the step whose forget accuracy matches a defended cell's.

If plain unlearning stopped early does what a defence does, the defence is weaker unlearning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from unlearning_robustness.config.effects import LEAST_CHECKPOINTS, checkpoints
from unlearning_robustness.config.ranges import Count, NonNegative
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.weights import Tensors


@dataclass(frozen=True)
class EarlyStop:
    """Stop where forget accuracy on ``select`` is nearest that of the cell with defence ``match``.

    It scores every ``every`` steps. The learning rate is constant, so the state at a step does not depend on
    how many steps follow. ``retain_factor`` multiplies the retain weight: the control "more retaining".
    """

    match: str
    every: Count
    retain_factor: NonNegative = 1.0

    class Facts(DefenceFacts):
        needs_matched_cell = True
        scores_select = True
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
                yield (f"scored every {every} of {steps} steps it chooses among {left} checkpoint(s); {mend}")

        @staticmethod
        def select_scorings(settings: dict, steps: int) -> int:
            return steps // settings["every"] + 2

    def install(self, step) -> None:
        """The steps themselves are plain ones."""


@dataclass
class NearestCheckpoint:
    """Keeps the checkpoint whose accuracy is nearest ``target``; of equally near ones the earliest."""

    target: float
    step: int | None = None
    accuracy: float | None = None
    tensors: Tensors = field(default_factory=dict)

    def offer(self, step: int, accuracy: float, tensors: Tensors) -> None:
        """Keep this checkpoint when it is nearer than the one kept."""
        if self.accuracy is None or abs(accuracy - self.target) < abs(self.accuracy - self.target) - 1e-9:
            self.step, self.accuracy, self.tensors = step, accuracy, tensors
