"""Quantisation: weights rounded to few bits, which may round away what unlearning changed (arXiv 2410.16454).

In neither paper. Weight-only, round to nearest; activations, embeddings, norms and the unembedding are as they were.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import RewritingFacts
from unlearning_robustness.attacks.rewriting import rewritten
from unlearning_robustness.config.ranges import Count, Range
from unlearning_robustness.models.architecture import linear_modules, sizes_of


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


def whole_groups(inputs: int, group_size: int) -> int:
    """The largest number of at most ``group_size`` that divides ``inputs``: torchao has no smaller last group."""
    return next(size for size in range(min(group_size, inputs), 0, -1) if inputs % size == 0)


def torchao_rounded(weight: torch.Tensor, bits: int, group_size: int) -> torch.Tensor:
    """A matrix (O, I) quantised and dequantised by torchao's weight-only quantisation, in the weight's type.

    Symmetric: levels are whole multiples, from ``-2 ** (bits - 1)``, of a group's largest magnitude over
    ``2 ** (bits - 1) - 0.5``. Groups are smaller where ``group_size`` does not divide the inputs (``whole_groups``).
    """
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerGroup

    outputs, inputs = weight.shape
    granularity = PerGroup(whole_groups(inputs, group_size))
    module = nn.Linear(inputs, outputs, bias=False, device="meta")
    module.weight = nn.Parameter(weight.clone(), requires_grad=False)
    quantize_(module, IntxWeightOnlyConfig(weight_dtype=getattr(torch, f"int{bits}"), granularity=granularity))
    return module.weight.dequantize().to(weight.dtype)


BACKENDS = {"own": round_to_nearest, "torchao": torchao_rounded}


@dataclass(frozen=True)
class Quantise:
    """Every linear module of the decoder layers at each of ``bits``, a budget and no choice; 0 is no rounding.

    ``group_size`` neighbouring weights of a row share a scale. ``backend``: ``own``, even levels between a group's
    least and largest weight; ``torchao``, the library that people deploy with, of at most 8 bits and with whole groups
    alone, so of the largest size up to ``group_size`` that divides a row.
    """

    bits: Annotated[list[int], Range(least=0, most=16, mend="0 is no rounding")]
    group_size: Count
    backend: Literal["own", "torchao"] = "own"

    class Facts(RewritingFacts):
        draws = False

        @staticmethod
        def problems(settings: dict) -> Iterator[tuple[str, str]]:
            if settings["backend"] == "torchao" and max(settings["bits"]) > 8:
                yield "bits", f"torchao rounds to at most 8, not {max(settings['bits'])}; take backend: own"

        @staticmethod
        def scored_points(settings: dict) -> int:
            return len(settings["bits"])

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the rounded model for each number of bits; the weights come back bit for bit.

        The setting says of which numbers of inputs the groups are smaller than asked.
        """
        smaller, rounded = self._smaller_groups(attack.model), BACKENDS[self.backend]
        settings = {", ".join([f"{bits} bits", *(smaller if bits else ())]): bits for bits in self.bits}
        yield from rewritten(attack, settings, lambda _, weight, bits: rounded(weight, bits, self.group_size))

    def _smaller_groups(self, model: nn.Module) -> list[str]:
        if self.backend != "torchao":
            return []
        numbers = sorted({sizes_of(module)[0] for module in linear_modules(model).values()})
        groups = {inputs: whole_groups(inputs, self.group_size) for inputs in numbers}
        return [f"{inputs} inputs in groups of {size}" for inputs, size in groups.items() if size < self.group_size]
