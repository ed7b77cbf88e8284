"""Control: SGD in place of AdamW.

Adam divides by the size of recent gradients, so noise in the retain gradient shortens its forget steps; SGD has no
such coupling.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.perturbation import factor_to
from unlearning_robustness.engine.weights import Tensors

FACTOR = "sgd.factor"


@dataclass(frozen=True)
class SGD:
    """Plain SGD at ``learning_rate``, which moves weights by so many gradients: a rate of another model says nothing.

    In the ``unit`` ``step`` the rate is such that the first forget gradient alone moves the weights ``learning_rate``
    times as far as the first step of the method's AdamW does. The retain gradient has no part in the rate: there noise
    would shorten forget steps, which is what this control does without.
    """

    learning_rate: Positive
    unit: Literal["absolute", "step"] = "absolute"

    class Facts(DefenceFacts):
        replaces = ("optimiser", "before_update")
        shardable = True

    def install(self, step: Step) -> None:
        """Move by the gradient itself."""
        step.replace("optimiser", self._sgd)
        step.replace("before_update", partial(self._scale_rate, step) if self.unit == "step" else None)

    def _sgd(self, tensors: list[torch.Tensor], _: float, weight_decay: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(tensors, lr=self.learning_rate, weight_decay=weight_decay)

    def _scale_rate(self, step: Step, optimiser: torch.optim.Optimizer, forget: Tensors) -> None:
        """Scale the optimiser's rate as the first forget gradient asks, which a resumed run remembers."""
        if FACTOR not in step.memory:
            elements = sum(tensor.numel() for tensor in forget.values())
            factor = factor_to(forget, step.learning_rate * elements**0.5)
            step.memory[FACTOR] = torch.tensor(factor, dtype=torch.float64)
        for group in optimiser.param_groups:
            group["lr"] *= step.memory[FACTOR].item()
