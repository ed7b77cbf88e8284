"""Control: an unlearned cell with other weights that compute the same (Dinh et al. 2017, arXiv 1703.04933).

A measure of weights or of sharpness that this changes does not say what a model knows.
"""

from dataclasses import dataclass

import torch
from torch import nn

from unlearning_robustness.config.ranges import Positive
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.weights import Tensors
from unlearning_robustness.models.architecture import ArchitectureError, Part, stack_of


@dataclass(frozen=True)
class Rescaled:
    """The cell with defence ``match``, its MLPs' up-projections times ``factor``, their down-projections divided by it.

    What the gate lets through grows as the up-projection does, so the MLP puts out the same. All layers that the method
    trains are rescaled. A power of two changes no output by a bit, whatever the number type.
    """

    match: str
    factor: Positive = 8.0

    class Facts(DefenceFacts):
        replaces = ("weights",)
        needs_matched_cell = True
        colours = ("#999933",)
        marker = "h"

        @staticmethod
        def steps(settings: dict, steps: int) -> int:
            return 0

    def install(self, step) -> None:
        """No step is taken."""

    @torch.no_grad()
    def remade(self, model: nn.Module, layers: list[int], changed: Tensors, seed: int) -> Tensors:
        """The cell's tensors, ``changed``, with those of the MLPs of ``layers``; nothing is drawn from the ``seed``.

        Raises ArchitectureError for an MLP without a gate beside its up-projection, which does not scale through.
        """
        tensors = dict(changed)
        for layer in layers:
            up, down = gated(stack_of(model).layer(layer).projections)
            for part, factor in ((up, self.factor), (down, 1 / self.factor)):
                # The bias of the down-projection is added behind it.
                for name in ("weight", "bias") if part is up else ("weight",):
                    own = getattr(part.module, name)
                    if own is not None:
                        full = f"{part.name}.{name}"
                        tensors[full] = (tensors.get(full, own).float() * factor).to(own.dtype)
        return tensors


def gated(projections: dict[str, Part]) -> tuple[Part, Part]:
    """The up- and the down-projection of an MLP whose gate is a matrix of its own."""
    up, down, gate = (projections.get(role) for role in ("up_proj", "down_proj", "gate_proj"))
    if gate is None or gate.module is up.module:
        raise ArchitectureError(f"{down.name}: no gate stands beside the up-projection; leave the defence rescaled out")
    return up, down
