"""The weights of an attacked model at one point of the attack's budget, to keep it as a model of its own."""

from contextlib import closing

import torch
from torch import nn

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is, at_the_end
from unlearning_robustness.errors import DataError


def weights_at(attack: AttackInput, name: str, settings: dict, point: dict) -> dict[str, torch.Tensor]:
    """The tensors that an attack changed at a ``point`` of its budget, by name; the model comes back as it was.

    ``settings`` is the attack's resolved entry; ``point`` has its documents and steps, and its ``setting`` in words, as
    records have them.

    Raises DataError where the attack never comes by that point, or changes there something else than weights: how the
    model is asked, where it is read, its activations, or adapters beside its weights.
    """
    before = {key: tensor.detach().clone() for key, tensor in attack.model.named_parameters()}
    hooks = _hooks(attack.model)
    with closing(ATTACKS[settings["kind"]](**settings["parameters"]).run(attack)) as running:
        for attacked in running:
            if {"documents": 0, "steps": 0, **attacked.budget, "setting": attacked.setting} == point:
                _check_weights_alone(attacked, name, before, hooks)
                return {
                    key: tensor.detach().clone()
                    for key, tensor in attacked.model.named_parameters()
                    if not torch.equal(tensor, before[key])
                }
    raise DataError(f"{name} does not come by {point}: run it again, its settings have changed since")


def _check_weights_alone(attacked: AttackedModel, name: str, before: dict, hooks: int) -> None:
    """Raise DataError unless an attacked model is another one by its weights alone."""
    changes = {
        "how the model is asked": attacked.ask is not as_it_is,
        "where it is read": attacked.read is not at_the_end,
        "its activations": _hooks(attacked.model) != hooks,
        "adapters beside its weights": dict(attacked.model.named_parameters()).keys() != before.keys(),
    }
    for what, changed in changes.items():
        if changed:
            raise DataError(f"{name} changes {what}, which no folder of a model holds; export it without the attack")


def _hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
