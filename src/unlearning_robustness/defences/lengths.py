"""How long a perturbation of the weights is: papers give lengths as they are, which mean little at another scale.

A step of AdamW moves every weight by about the learning rate, so one step's length over N trained weights is the
learning rate times the root of N. A perturbation far below it sees the gradient that the step itself sees.
"""

from dataclasses import dataclass

from unlearning_robustness.config.ranges import LengthUnit
from unlearning_robustness.defences.base import Step
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import norm


@dataclass(frozen=True)
class Unit:
    """What the number 1 stands for: as a Frobenius norm over all trained tensors, and as a weight's root mean square.

    As an ``absolute`` length both are 1: papers give some perturbations by their norm, others by their deviation.
    """

    length: float = 1.0
    weight: float = 1.0


def unit_of(name: LengthUnit, step: Step, engine: Engine) -> Unit:
    """The unit ``absolute``, ``step`` (of AdamW at the run's learning rate) or ``norm`` (of the tensors at the start).

    Raises TypeError for ``step`` where the step was built without a learning rate.
    """
    if name == "absolute":
        return Unit()
    root = sum(tensor.numel() for tensor in engine.weights.master.values()) ** 0.5
    length = step.learning_rate * root if name == "step" else norm(engine.weights.original)
    return Unit(length, length / root)
