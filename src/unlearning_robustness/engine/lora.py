"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft, behind the interface of trained tensors.

The factors A (rank, inputs) and B (outputs, rank) are float32 whatever the model's type. The model computes
W x + alpha / rank B A x: the first term in its own type, the second and the sum in float32, which is rounded to the
model's type. The delta holds merged weights, so everything after training sees only ordinary tensors.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.models.architecture import ArchitectureError, Layer, is_linear, outputs_first, stack_of

ADAPTER = "default"


class LowRankWeights(TrainedWeights):
    """Adapters on the linear modules named ``targets``; A is drawn as peft draws it, B is zero: the model is unchanged.

    The model carries the adapters until ``release``. Raises KeyError for a target that the model lacks, ValueError
    for one that is no linear module.
    """

    def __init__(self, model: nn.Module, targets: Sequence[str], rank: int, alpha: float, generator: torch.Generator):
        modules = dict(model.named_modules())
        for name in targets:
            if name not in modules:
                raise KeyError(f"the model has no module {name}")
            if not is_linear(modules[name]):
                raise ValueError(f"{name} is a {type(modules[name]).__name__}: adapters go on linear modules")
        self.model, self.targets, self.scaling = model, list(targets), alpha / rank
        _inject(model, self.targets, rank, alpha)
        super().__init__(model, [f"{name}.lora_{part}.{ADAPTER}.weight" for name in targets for part in "AB"])
        for name in targets:
            drawn = torch.empty(self._factor(self.original, name, "A").shape)
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
            self._factor(self.original, name, "A").copy_(drawn)
            self._factor(self.master, name, "A").copy_(drawn)
        self.publish()

    def _factor(self, tensors: Tensors, target: str, part: str) -> torch.Tensor:
        return tensors[f"{target}.lora_{part}.{ADAPTER}.weight"]

    def _added(self, target: str) -> torch.Tensor:
        """What the adapter adds to its weight, float32, as the model stores it."""
        product = self.scaling * self._factor(self.live, target, "B") @ self._factor(self.live, target, "A")
        return outputs_first(self.model.get_submodule(target).base_layer, product)

    def reference_tensors(self) -> Tensors:
        """The weights under the adapters, by their names in the model without adapters."""
        return {f"{name}.weight": self.model.get_submodule(name).base_layer.weight for name in self.targets}

    @torch.no_grad()
    def delta(self) -> Tensors:
        """The merged weights, in the model's type."""
        base = self.reference_tensors()
        return {
            f"{name}.weight": (base[f"{name}.weight"].float() + self._added(name)).to(base[f"{name}.weight"].dtype)
            for name in self.targets
        }

    def release(self) -> None:
        """Take the adapters off: the model is as it was."""
        for name in self.targets:
            parent, child = name.rsplit(".", 1)
            setattr(self.model.get_submodule(parent), child, self.model.get_submodule(name).base_layer)


def _inject(model: nn.Module, targets: list[str], rank: int, alpha: float) -> None:
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.tuners_utils import cast_adapter_dtype

    transposed = any(isinstance(model.get_submodule(name), Conv1D) for name in targets)
    settings = {"lora_dropout": 0.0, "bias": "none", "target_modules": targets, "fan_in_fan_out": transposed}
    config = LoraConfig(r=rank, lora_alpha=alpha, **settings)
    inject_adapter_in_model(config, model, ADAPTER)
    # The injection gives the factors the type of the weight that they adapt.
    cast_adapter_dtype(model, ADAPTER)
    # Left on the model it would be taken for a second adapter the next time.
    del model.peft_config
    model.eval()


def modules_of_layers(model: nn.Module, layers: Sequence[int], names: Sequence[str]) -> list[str]:
    """Full names of the linear modules ``names`` in each of ``layers``, each once.

    A name is the model's own (``c_attn``) or a role in Llama's words (``q_proj``), which a fused module plays as well:
    its adapter then serves all of its roles. Raises ArchitectureError naming what a layer does not have.
    """
    stack = stack_of(model)
    targets = [target for layer in layers for name in names for target in _targets(stack.layer(layer), name)]
    return list(dict.fromkeys(targets))


def _targets(layer: Layer, name: str) -> list[str]:
    own = [full for full in layer.linear if full.rpartition(".")[2] == name]
    if own:
        return own
    if name not in layer.projections:
        there = ", ".join(full.removeprefix(f"{layer.name}.") for full in layer.linear)
        raise ArchitectureError(f"{layer.name} has no linear module {name}: name another target; it has {there}")
    return [layer.projections[name].name]
