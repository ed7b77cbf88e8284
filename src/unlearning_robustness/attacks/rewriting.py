"""Every linear weight of the decoder layers written anew at each point of a budget."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.models.delta import applied, apply_delta
from unlearning_robustness.models.modules import linear_modules

Point = TypeVar("Point")
Change = Callable[[str, torch.Tensor, Point], torch.Tensor]


@torch.no_grad()
def rewritten(attack: AttackInput, points: Mapping[str, Point], change: Change) -> Iterator[AttackedModel]:
    """Yield the model at each point, by setting: every weight is ``change(name, weight as it came, point)``.

    At a point of 0 every weight is as it came. The weights come back bit for bit.
    """
    weights = {name: module.weight for name, module in linear_modules(attack.model).items()}
    with applied(attack.model, weights) as before:
        for setting, point in points.items():
            for name, tensor in before.items():
                apply_delta(attack.model, {name: change(name, tensor, point) if point else tensor})
            yield AttackedModel(attack.model, {}, setting)
