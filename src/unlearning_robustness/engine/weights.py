"""The trained tensors: float32 masters, of which the model holds the rounded image.

A step of 1e-5 changes only a third of bfloat16 weights (they round back), so the optimiser moves float32
copies; the model computes with their image in its own type. Perturbations are added to the masters and
taken back by publishing the masters again, so a weight comes back bit for bit. Training without masters is in
``precision.py``, with sharded ones in ``sharding.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from unlearning_robustness.engine.cost import Cost
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.models.architecture import ArchitectureError, stack_of
from unlearning_robustness.models.slicing import double_backward_attention
from unlearning_robustness.runtime.parallel import mean, whole
from unlearning_robustness.runtime.quick_start import without_compiler

Tensors = dict[str, torch.Tensor]


def gaussian_of_norm(like: torch.Tensor, length: float | torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A Gaussian direction, float32, in the shape of ``like`` and of norm ``length``, drawn on the generator's device.

    From a generator on the CPU every device has the same draw.
    """
    drawn = torch.randn(like.shape, generator=generator, device=generator.device).to(like.device)
    return drawn * (length / drawn.norm())


class TrainedWeights:
    """The tensors of ``model`` named ``names``; they alone get gradients. Raises KeyError for an unknown name.

    ``live`` are the model's own, ``master`` what defences perturb, and ``optimised`` what an optimiser is given;
    ``random`` are streams of random numbers that a saved run carries.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]):
        parameters = dict(model.named_parameters())
        missing = [name for name in names if name not in parameters]
        if missing:
            raise KeyError(f"the model has no tensor {missing[0]}")
        self.live = {name: parameters[name].requires_grad_(True) for name in names}
        self.original = {name: tensor.detach().clone() for name, tensor in self.live.items()}
        self.master = self._masters()
        self.optimised = self.master
        self.random: dict[str, torch.Generator] = {}
        self.cost = Cost()
        self.overrides: list[Mapping[str, torch.Tensor]] = []

    def _masters(self) -> Tensors:
        return {name: tensor.detach().float().clone() for name, tensor in self.live.items()}

    @without_compiler()
    def step(self, optimiser: torch.optim.Optimizer, gradients: Tensors) -> None:
        """Step an optimiser of ``optimised`` and publish the result."""
        for name, gradient in gradients.items():
            self.optimised[name].grad = gradient
        optimiser.step()
        self.publish()

    @torch.no_grad()
    def publish(self, values: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write the masters (or ``values``) into the model, rounded to its type."""
        for name, tensor in (self.master if values is None else values).items():
            self.live[name].copy_(tensor)

    def gradient(self, loss: torch.Tensor) -> Tensors:
        """D loss / d trained tensors, float32 unless they are trained in their own type."""
        self.cost.backward()
        gradients = torch.autograd.grad(loss, list(self.live.values()))
        return {name: mean(self._kept(gradient)) for name, gradient in zip(self.live, gradients, strict=True)}

    def _kept(self, gradient: torch.Tensor) -> torch.Tensor:
        """A gradient in the type in which it is kept and added to others."""
        return gradient.float()

    def graph_gradient(self, loss_at: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Tensors]:
        """The loss that ``loss_at`` computes, and its gradient in the model's type, itself differentiable."""
        with double_backward_attention():
            loss = loss_at()
        self.cost.backward()
        gradients = torch.autograd.grad(loss, list(self.live.values()), create_graph=True)
        return loss, {name: mean(gradient) for name, gradient in zip(self.live, gradients, strict=True)}

    @contextmanager
    def at(self, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Inside the block compute at other values of the trained tensors; afterwards the former ones are back."""
        self.overrides.append(values)
        self.publish(values)
        try:
            yield
        finally:
            self.overrides.pop()
            self.publish(self.overrides[-1] if self.overrides else None)

    @contextmanager
    def shifted(self, added: Tensors) -> Iterator[None]:
        """Inside the block compute with ``added``, added and subtracted in the model's type, as released code does.

        Unlike :meth:`at`, rounding swallows small additions, and its errors stay in the model and in the masters.
        """
        before = {name: tensor.detach().clone() for name, tensor in self.live.items()}
        self._shift(added, 1.0)
        try:
            yield
        finally:
            self._shift(added, -1.0)
            for name, tensor in self.live.items():
                self.master[name] += tensor.detach().float() - before[name].float()

    @torch.no_grad()
    def _shift(self, added: Tensors, sign: float) -> None:
        for name, tensor in self.live.items():
            tensor.add_(added[name].to(tensor.dtype), alpha=sign)

    def reference(self):
        """Compute with the original tensors: the reference model without a second copy of the rest."""
        return self.at(self.original)

    def release(self) -> None:
        """Restore the original weights, frozen."""
        self.publish(self.original)
        for tensor in self.live.values():
            tensor.requires_grad_(False)

    @torch.no_grad()
    def delta(self) -> Tensors:
        """The tensors that turn the original model into the unlearned one: the rounded masters."""
        return {name: tensor.detach().clone() for name, tensor in self.live.items()}

    def reference_tensors(self) -> Tensors:
        """The original tensors by the names of a delta."""
        return self.original

    def change(self, delta: Tensors) -> float:
        """||dW|| of a delta: its distance from the original tensors."""
        return change_of(self.reference_tensors(), delta)

    @torch.no_grad()
    def displacement(self, start: Mapping[str, torch.Tensor] | None = None) -> float:
        """Norm of the model's tensors less ``start`` rounded, by default the masters: a perturbation after rounding."""
        sizes = [
            (self.live[name].float() - tensor.to(self.live[name].dtype).float()).norm()
            for name, tensor in (self.master if start is None else start).items()
        ]
        return torch.stack(sizes).norm().item()


def norm(tensors: Tensors) -> float:
    """Frobenius norm of all tensors together."""
    norms = [whole(tensor.float().norm()) for tensor in tensors.values()]
    return torch.stack([each.to(norms[0].device) for each in norms]).norm().item()


@torch.no_grad()
def change_of(reference: Mapping[str, torch.Tensor], delta: Tensors) -> float:
    """||dW||: Frobenius norm of a delta less ``reference``, over all its tensors together.

    The reference is rounded to the delta's number type first: rounding is no unlearning.
    """
    return norm({name: after.float() - reference[name].to(after).float() for name, after in delta.items()})


def down_projections(model: nn.Module, layers: Sequence[int]) -> list[str]:
    """Names of the weight, without a bias, of the MLP's down-projection in each of ``layers``.

    The released RMU and RNA code picks it as parameter 6 of a layer. Raises ArchitectureError for a layer that the
    model does not have, or whose MLP has no one down-projection.
    """
    return [f"{stack_of(model).layer(layer).down_proj.name}.weight" for layer in layers]


def output_biases(model: nn.Module, layers: Sequence[int]) -> list[str]:
    """Names of the bias of what each of ``layers`` writes to the residual stream last: trained, a steering vector each.

    It is the same vector for every token, so whatever it hides is in all other weights as it was (Turner et al.,
    arXiv 2308.10248, add such vectors by hand). Raises ArchitectureError for a layer that writes without a bias.
    """
    stack, names = stack_of(model), []
    for layer in map(stack.layer, layers):
        writing = [part for part in (layer.down_proj, layer.o_proj) if part.module.bias is not None]
        if not writing:
            raise ArchitectureError(
                f"{layer.name} writes to the residual stream without a bias: give `trained` another value than "
                "output-biases"
            )
        names.append(f"{writing[0].name}.bias")
    return names


def tensors_of_layers(model: nn.Module, layers: Sequence[int]) -> list[str]:
    """Names of every tensor of the given layers; embeddings, the final norm and the unembedding stay out.

    Raises ArchitectureError for a layer that the model does not have.
    """
    modules = [stack_of(model).layer(layer) for layer in layers]
    return [f"{layer.name}.{name}" for layer in modules for name, _ in layer.module.named_parameters()]


def every_tensor(model: nn.Module, layers: Sequence[int]) -> list[str]:
    """Names of all tensors of the model; ConfigError where ``layers`` are not all of its layers."""
    depth = model.config.num_hidden_layers
    if sorted(layers) != list(range(depth)):
        raise ConfigError(f"methods.*.layers: trained: all trains every layer; list all from 0 to {depth - 1}")
    return [name for name, _ in model.named_parameters()]
