"""The trained tensors: float32 masters, of which the model holds the rounded image.

A step of 1e-5 changes only a third of bfloat16 weights (they round back), so the optimiser moves float32
copies; the model computes with their image in its own type. Perturbations are added to the masters and
taken back by publishing the masters again, so a weight comes back bit for bit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


class TrainedWeights:
    """The tensors of ``model`` named ``names``; they alone get gradients. Raises KeyError for an unknown name."""

    def __init__(self, model: nn.Module, names: Sequence[str]):
        parameters = dict(model.named_parameters())
        missing = [name for name in names if name not in parameters]
        if missing:
            raise KeyError(f"the model has no tensor {missing[0]}")
        self.live = {name: parameters[name].requires_grad_(True) for name in names}
        self.original = {name: tensor.detach().clone() for name, tensor in self.live.items()}
        self.master = self.masters()
        self.standing: list[Tensors] = []

    def masters(self) -> Tensors:
        """The float32 tensors that the optimiser moves, where they start."""
        return {name: tensor.detach().float().clone() for name, tensor in self.live.items()}

    def present(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, what the masters say the trained tensor is), one after another."""
        yield from self.master.items()

    @torch.no_grad()
    def publish(self, values: Tensors | None = None) -> None:
        """Write the masters (or ``values``) into the model, rounded to its type."""
        for name, tensor in self.present() if values is None else values.items():
            self.live[name].copy_(tensor)

    def gradient(self, loss: torch.Tensor) -> Tensors:
        """D loss / d trained tensors, float32."""
        gradients = torch.autograd.grad(loss, list(self.live.values()))
        return {name: gradient.float() for name, gradient in zip(self.live, gradients, strict=True)}

    def graph_gradient(self, loss: torch.Tensor) -> Tensors:
        """The gradient in the model's type, itself differentiable."""
        gradients = torch.autograd.grad(loss, list(self.live.values()), create_graph=True)
        return dict(zip(self.live, gradients, strict=True))

    @contextmanager
    def at(self, values: Tensors) -> Iterator[None]:
        """Compute at other values of the trained tensors; what stood in the model before stands there again after."""
        self.standing.append(values)
        self.publish(values)
        try:
            yield
        finally:
            self.standing.pop()
            self.publish(self.standing[-1] if self.standing else None)

    def reference(self):
        """Compute with the original tensors: the reference model without a second copy of the rest."""
        return self.at(self.original)

    def release(self) -> None:
        """Give the model back as it was, frozen."""
        self.publish(self.original)
        for tensor in self.live.values():
            tensor.requires_grad_(False)

    @torch.no_grad()
    def delta(self) -> Tensors:
        """What the model would have to be given to become the unlearned one: the rounded masters."""
        return {name: tensor.detach().clone() for name, tensor in self.live.items()}

    @torch.no_grad()
    def change(self) -> float:
        """Frobenius norm of all that moved: ||W - W_reference|| over the trained tensors together."""
        return norm({name: self.live[name].float() - self.original[name].float() for name in self.live})


def norm(tensors: Tensors) -> float:
    """Frobenius norm of all tensors together."""
    return torch.stack([tensor.float().norm() for tensor in tensors.values()]).norm().item()


def down_projections(model: nn.Module, layers: Sequence[int]) -> list[str]:
    """Names of ``mlp.down_proj.weight`` of the given layers.

    The released RMU and RNA code picks them as parameter 6 of a layer. Raises KeyError naming what is missing.
    """
    names = {name for name, _ in model.named_parameters()}
    wanted = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in layers]
    for name in wanted:
        if name not in names:
            raise KeyError(f"the model has no tensor {name}: it has {model.config.num_hidden_layers} layers")
    return wanted


def layer_parameters(model: nn.Module) -> list[str]:
    """Names of every parameter of the decoder layers, norms and biases included; not embeddings or the last norm."""
    return [name for name, _ in model.named_parameters() if name.startswith("model.layers.")]
