"""Orthogonalisation: the direction along which unlearning moved activations is taken out of the residual stream.

The attack of Łucki et al. (arXiv 2409.18025). Differs from the released code: layer, direction and what is left along
it are chosen on the select split; all select forget questions count, not only those that unlearning turned wrong; the
principal component is computed in the coordinates it is applied in (theirs is of standardised activations); outliers
are positions, not every occurrence of a token string. Where the models are the same, as for the reference itself, there
is no direction and nothing is removed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.activation_shift import shifts
from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import AttackFacts, Scoring, screening_rounds
from unlearning_robustness.attacks.select_split import (
    Score,
    SelectAccuracy,
    SelectProbability,
    best,
    better_part,
    some_of,
)
from unlearning_robustness.config.ranges import Bound, Count, Index, Indices, NonNegative
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work

NOTHING = "nothing removed"
# Of the order of the screening questions, the same for every seed: equal weights are then attacked alike.
SCREEN = 0
DIRECTIONS = {"mean": ("mean",), "principal": ("principal",), "both": ("mean", "principal")}
LEVELS = {"zero": ("zero",), "reference": ("reference",), "both": ("zero", "reference")}


def remove(hidden: torch.Tensor, direction: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Gives h - (<h, d> - level) d of a residual stream (..., d), a unit direction (d,) and a level (); in its type."""
    wide = hidden.float()
    return (wide - ((wide @ direction) - level)[..., None] * direction).to(hidden.dtype)


@dataclass(frozen=True)
class Removal:
    """A candidate in words, the hooks that carry it out, and the lowest layer that has one."""

    setting: str = NOTHING
    hooks: tuple[tuple[nn.Module, Callable[[torch.Tensor], torch.Tensor]], ...] = ()
    lowest: int = 0

    @classmethod
    def of(cls, setting: str, removals: Sequence["Removal"]) -> "Removal":
        """Several of them together, the lowest one first."""
        return cls(setting, tuple(hook for removal in removals for hook in removal.hooks), removals[0].lowest)


@dataclass(frozen=True)
class Orthogonalise:
    """Choose what to remove where: at one of ``layers`` (default: all), at ``window`` in a row, at all, or nothing.

    ``direction``: ``mean``, the mean difference of activations, unlearned less reference, on the select forget
    questions with their answers; ``principal``, the first principal component of these differences about zero, so
    that a shift which all share counts; ``both`` are candidates. Every layer has its own.

    ``towards``: what is left of the stream along the direction: ``zero``, as in the papers, or the mean of the
    ``reference``; ``both`` are candidates.

    It leaves out the first ``skipped_tokens`` of a text (the attention sink; the papers skip a fixed instruction of 40)
    and, layer by layer, positions whose L1 distance between the two models is more than ``outliers`` standard
    deviations above the mean. Retain accuracy on select may fall by ``utility_bound``.

    Every candidate is asked ``screen`` select questions of each role, the better quarter four times as many, and so on;
    all questions decide among those that are left (successive halving, arXiv 1502.07943).
    """

    utility_bound: Bound
    direction: Literal["mean", "principal", "both"] = "both"
    towards: Literal["zero", "reference", "both"] = "both"
    outliers: NonNegative = 3.0
    skipped_tokens: Index = 1
    layers: Indices | None = None
    screen: Count = 8
    window: Count = 4

    class Facts(AttackFacts):
        draws = False
        undoes_change = True

        @staticmethod
        def compares_with_reference(settings: dict) -> bool:
            return True

        @staticmethod
        def chooses_on(settings: dict) -> tuple[str, ...]:
            return "forget", "retain"

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            layers, width = shape.num_hidden_layers, shape.hidden_size
            ways = len(DIRECTIONS[settings["direction"]]) * len(LEVELS[settings["towards"]])
            single, each = len(settings["layers"] or range(layers)), scoring.select // 2
            in_a_row = max(0, single - settings["window"] + 1) if settings["window"] > 1 else 0
            count = ways * (single + in_a_row + 1)
            # A candidate runs what lies above its layer, half of the model on the mean; both roles are asked. For the
            # directions both models read the forget questions twice.
            rounds = screening_rounds(count, settings["screen"], each)
            asked = 4 * each + sum(number * questions for number, questions in rounds)
            # One batch's activations in every layer; for the principal component a matrix a layer and its eigenvectors.
            rows, kept = scoring.batch_size * scoring.length * width, scoring.select * scoring.length * width
            component = 0 if settings["direction"] == "mean" else (layers + 3) * width**2 * FLOAT32
            return Work(
                operations=asked * scoring.length * shape.forward(layers),
                memory=shape.memory() + (layers * rows + kept) * BFLOAT16 + 5 * rows * FLOAT32 + component,
            )

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model with what was chosen; hooks come off when the next is asked for, errors or not.

        Layers where the models do not differ have no direction. Raises DataError for a layer that is not there.
        """
        modules = layer_modules(attack.model)
        layers = list(range(len(modules))) if self.layers is None else self.layers
        if max(layers) >= len(modules):
            raise DataError(
                f"the model has {len(modules)} layers, no layer {max(layers)}: lower attacks.*.parameters.layers"
            )
        chosen = self.chosen(attack, self.candidates(attack, {layer: modules[layer] for layer in sorted(layers)}))
        with hooked(chosen.hooks):
            yield AttackedModel(attack.model, {}, chosen.setting)

    def candidates(self, attack: AttackInput, modules: dict[int, nn.Module]) -> list[Removal]:
        """Every direction with every level at each layer, at layers in a row, and at all; the lowest layers first."""
        both = "principal" in DIRECTIONS[self.direction]
        shifted = shifts(attack, list(modules.values()), self.outliers, self.skipped_tokens, both)
        single, everywhere = [], defaultdict(list)
        for (layer, module), shift in zip(modules.items(), shifted, strict=True):
            for of in DIRECTIONS[self.direction]:
                direction = shift.direction(of)
                for towards in LEVELS[self.towards] if direction.any() else ():
                    level, way = shift.level(direction) * (towards == "reference"), f"{of} direction to {towards}"
                    single.append(Removal(f"layer {layer}, {way}", ((module, _remover(direction, level)),), layer))
                    everywhere[way].append(single[-1])
        together = [
            Removal.of(f"layers {part[0].lowest} to {part[-1].lowest}, {way}", part)
            for way, removals in everywhere.items()
            for start in range(len(removals) - self.window + 1 if self.window > 1 else 0)
            if len(part := removals[start : start + self.window]) < len(removals)
        ]
        together += [Removal.of(f"all layers, {way}", part) for way, part in everywhere.items() if len(part) > 1]
        return sorted([*single, *together], key=lambda removal: removal.lowest)

    def chosen(self, attack: AttackInput, candidates: list[Removal]) -> Removal:
        """The best candidate, or nothing; each round keeps the better part and asks more questions."""
        left, most = candidates, attack.select["role"].value_counts().max()
        for (_, questions), (count, _) in pairwise(screening_rounds(len(left), self.screen, most)):
            scores = _scores(SelectProbability(attack, some_of(attack, questions, seed=SCREEN)), left)
            # Of few questions a single one may be more than the bound.
            kept = better_part(scores[1:], scores[0][1], self.utility_bound + 1 / questions, count)
            left = sorted((removal for removal, _ in kept), key=lambda removal: removal.lowest)
        scores = _scores(SelectAccuracy(attack), left)
        return best(scores, scores[0][1], self.utility_bound)[0]


def _remover(direction: torch.Tensor, level: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda hidden: remove(hidden, direction, level)


def _scores(measure: SelectAccuracy, removals: list[Removal]) -> list[tuple[Removal, Score]]:
    """Scores of nothing and of each removal; what lies below a removal is run once for all that lie above."""
    model, scores = measure.attack.model, []
    for removal in [Removal(), *removals]:
        measure.plain.extend_prefix(model, removal.lowest)
        with hooked(removal.hooks):
            scores.append((removal, measure(AttackedModel(model, {}))))
    return scores
