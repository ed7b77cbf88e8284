"""Trained tensors without float32 masters: the optimiser moves the model's own tensors, in their number type.

``pure`` is what released code does. A step below half a unit in the last place vanishes there, so at the papers'
learning rates of 5e-6 to 5e-5 most bfloat16 weights stand still. ``stochastic`` rounds every step up or down at random,
so that its expectation is kept, and needs no master either.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.runtime.quick_start import without_compiler


def round_stochastically(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Float32 ``values`` as bfloat16, each one of its two neighbours at random, so that the mean is the value itself.

    A bfloat16 is the upper half of a float32. The lower half, of 2^16, is the chance that adding a uniform draw of
    0 .. 2^16 - 1 carries into the upper one: exactly the distance to the neighbour below, for every finite value.
    Infinite values and NaN stay.
    """
    bits = values.view(torch.int32)
    drawn = torch.randint(0, 1 << 16, values.shape, generator=generator, device=values.device, dtype=torch.int32)
    rounded = ((bits + drawn) & -(1 << 16)).view(torch.float32)
    return torch.where(values.isfinite(), rounded, values).bfloat16()


class PureWeights(TrainedWeights):
    """The optimiser moves the model's own tensors in their own type, by gradients and with moments of that type.

    At other values of the weights the model uses other memory, so the trained tensors are never overwritten.
    """

    def _masters(self) -> Tensors:
        return {name: tensor.detach() for name, tensor in self.live.items()}

    def _kept(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient

    def step(self, optimiser: torch.optim.Optimizer, gradients: Tensors) -> None:
        """Step an optimiser of ``optimised``, on gradients that are rounded too."""
        super().step(optimiser, {name: tensor.to(self.live[name].dtype) for name, tensor in gradients.items()})

    @torch.no_grad()
    def publish(self, values: Mapping[str, torch.Tensor] | None = None) -> None:
        """Point the model's tensors at the trained ones, or at ``values`` rounded to their type."""
        for name, tensor in (self.master if values is None else values).items():
            self.live[name].data = tensor.to(self.live[name])

    @contextmanager
    def shifted(self, added: Tensors) -> Iterator[None]:
        """Inside the block compute with ``added``, added and subtracted in the model's type, as released code does."""
        self._shift(added, 1.0)
        try:
            yield
        finally:
            self._shift(added, -1.0)

    def release(self) -> None:
        """Restore the original weights, frozen, in memory of their own."""
        for name, tensor in self.original.items():
            self.master[name].copy_(tensor)
        self.publish()
        for tensor in self.live.values():
            tensor.requires_grad_(False)


class StochasticWeights(PureWeights):
    """The optimiser moves one float32 copy after another, which is rounded at random; its moments stay float32.

    ``random`` draws the rounding.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], random: torch.Generator):
        super().__init__(model, names)
        self.random = {"rounding": random}
        self.optimised = {name: torch.empty(0, device=tensor.device) for name, tensor in self.live.items()}

    def _kept(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.float()

    @without_compiler()
    def step(self, optimiser: torch.optim.Optimizer, gradients: Tensors) -> None:
        """Step an optimiser of ``optimised`` tensor by tensor: it skips those without a gradient."""
        for name, gradient in gradients.items():
            moved, master = self.optimised[name], self.master[name]
            moved.data = master.float()
            moved.grad = gradient
            optimiser.step()
            master.copy_(self._rounded(moved))
            moved.grad = None
            moved.data = moved.new_empty(0)

    def _rounded(self, values: torch.Tensor) -> torch.Tensor:
        low = next(iter(self.live.values())).dtype == torch.bfloat16
        return round_stochastically(values, self.random["rounding"]) if low else values
