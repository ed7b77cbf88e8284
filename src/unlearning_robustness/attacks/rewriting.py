"""Rewrites every linear weight of the decoder layers at each point of a budget."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.models.architecture import linear_modules, outputs_first

Point = TypeVar("Point")
Change = Callable[[str, torch.Tensor, Point], torch.Tensor]


@torch.no_grad()
def rewritten(attack: AttackInput, settings: Mapping[str, Point], change: Change) -> Iterator[AttackedModel]:
    """Yield the model at each point, by its name in words: every weight is ``change(name, weight as it came, point)``.

    Weights are (outputs, inputs) for ``change``. At a point of 0 every weight is as it came. The weights come back bit
    for bit; they are kept in the host's memory, and one at a time is on the model's device a second time.
    """
    weights = {name: outputs_first(module, module.weight) for name, module in linear_modules(attack.model).items()}
    before = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}
    try:
        for setting, point in settings.items():
            for name, weight in weights.items():
                came = before[name].to(weight.device)
                weight.copy_(change(name, came, point) if point else came)
            yield AttackedModel(attack.model, {}, setting)
    finally:
        for name, weight in weights.items():
            weight.copy_(before[name])
