"""Quantisation: weights rounded to few bits, which may round away what unlearning changed (arXiv 2410.16454).

In neither paper. Weight-only, round to nearest; activations, embeddings, norms and the unembedding are as they were.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.rewriting import rewritten


def round_to_nearest(weight: torch.Tensor, bits: int, group_size: int) -> torch.Tensor:
    """A matrix (O, I) rounded to ``2 ** bits`` even levels in each group of ``group_size`` inputs of an output.

    Asymmetric: levels reach from the group's smallest to its largest weight, stretched to hold zero, which is a level.
    The last group may be smaller. Computed in float32, returned in the weight's type.
    """
    parts = []
    for group in weight.float().split(group_size, dim=1):
        low, high = group.amin(1, keepdim=True).clamp_max(0), group.amax(1, keepdim=True).clamp_min(0)
        step = ((high - low) / (2**bits - 1)).clamp_min(torch.finfo(torch.float32).tiny)
        zero = (-low / step).round()
        parts.append(((group / step).round() + zero).clamp(0, 2**bits - 1).sub(zero).mul(step))
    return torch.cat(parts, dim=1).to(weight.dtype)


@dataclass(frozen=True)
class Quantise:
    """Every linear module of the decoder layers at each of ``bits``, a budget and no choice; 0 is no rounding."""

    bits: list
    group_size: int

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the rounded model for each number of bits; the weights come back bit for bit."""
        points = {f"{bits} bits": bits for bits in self.bits}
        yield from rewritten(attack, points, lambda _, weight, bits: round_to_nearest(weight, bits, self.group_size))
