"""Control: the reference, disturbed at random as far as unlearning moved it; nothing is unlearned.

If relearning does the same to this model, it repairs weights and says nothing about unlearning.
"""

from dataclasses import dataclass

import torch
from torch import nn

from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.weights import Tensors, gaussian_of_norm, norm
from unlearning_robustness.runtime.seeds import generator


@dataclass(frozen=True)
class WeightNoise:
    """Gaussian noise in the tensors that the cell with defence ``match`` trained, ``none`` for the plain one.

    In each tensor the noise has the Frobenius norm of that cell's change, so together they have too.
    """

    match: str

    class Facts(DefenceFacts):
        replaces = ("weights",)
        shardable = True
        needs_matched_cell = True
        colours = ("#777777",)
        marker = "x"

        @staticmethod
        def steps(settings: dict, steps: int) -> int:
            return 0

    def install(self, step) -> None:
        """No step is taken."""

    def remade(self, model: nn.Module, layers: list[int], changed: Tensors, seed: int) -> Tensors:
        """The reference's tensors with noise as long as that of the cell's, ``changed``; the ``seed`` draws it."""
        original = {name: model.get_parameter(name).detach() for name in changed}
        return disturbed(original, changed, generator(seed, "weight-noise"))


@torch.no_grad()
def disturbed(original: Tensors, changed: Tensors, random: torch.Generator) -> Tensors:
    """The original tensors plus Gaussian noise of the norm of changed - original, tensor by tensor.

    Computed in float32 and rounded to the original's type. A tensor that did not change gets no noise.
    """
    noisy = {}
    for name in sorted(original):
        start = original[name].float()
        length = norm({name: changed[name].to(start.device).float() - start})
        noisy[name] = (start + gaussian_of_norm(start, length, random)).to(original[name].dtype)
    return noisy
