"""Trained tensors of which every process holds a shard, by torch's fully sharded data parallelism (FSDP2).

Weights, masters, gradients and moments are divided; a layer is whole only while it is read and while it computes.
Own code: accelerate's FSDP2 divides a model only once it is loaded whole, and has no FSDP2 on a CPU.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.runtime.parallel import Gathered, size


def divider(device: str) -> Callable[[nn.Module], None]:
    """A function that divides a decoder layer on ``device`` between the processes; a divided layer stays as it is."""
    mesh = init_device_mesh(torch.device(device).type, (size(),))
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)

    def divide(layer: nn.Module) -> None:
        if not isinstance(layer, FSDPModule):
            fully_shard(layer, mesh=mesh, reshard_after_forward=True, mp_policy=policy)

    return divide


def shard_layers(model: nn.Module) -> None:
    """Divide every decoder layer that is loaded between the processes; embeddings, norm and unembedding stay whole."""
    layers = [layer for layer in layer_modules(model) if not any(tensor.is_meta for tensor in layer.parameters())]
    divide = divider(next(layers[0].parameters()).device.type)
    for layer in layers:
        divide(layer)


class ShardedWeights(TrainedWeights):
    """The tensors of ``model`` named ``names``, divided between the processes; the model stays divided afterwards.

    Gradients are taken by ``backward``, where FSDP divides and averages them, and cannot be differentiated again.
    Deltas are gathered whole in the memory of the main process, which writes them.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]):
        shard_layers(model)
        super().__init__(model, names)

    def gradient(self, loss: torch.Tensor) -> Tensors:
        """D loss / d trained tensors, float32, a shard of each."""
        self.cost.backward()
        loss.backward()
        gradients = {name: tensor.grad.float() for name, tensor in self.live.items()}
        for tensor in self.live.values():
            tensor.grad = None
        return gradients

    def graph_gradient(self, loss_at: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Tensors]:
        """Refused: FSDP's gradients have no graph."""
        raise NotImplementedError("gradients of sharded tensors cannot be differentiated")

    def delta(self) -> Tensors:
        """The whole trained tensors, in the main process; empty ones in the others."""
        return dict(Gathered(self.live))

    def reference_tensors(self) -> Mapping[str, torch.Tensor]:
        """The whole original tensors, each gathered as it is read."""
        return Gathered(self.original)
