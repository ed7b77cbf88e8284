"""How one step's gradient is taken. A defence replaces one part of it; parts compose."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine, Noise
from unlearning_robustness.models.weights import Tensors

ReferenceNoise = Callable[[torch.Generator], Noise]
Gradient = tuple[float, Tensors]


def plain_forget(engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
    """The forget gradient at the present weights."""
    return engine.forget_gradient(batch)


def add(forget: Tensors, retain: Tensors) -> Tensors:
    """The sum of both gradients."""
    return {name: forget[name] + retain[name] for name in forget}


@dataclass
class Step:
    """The parts of a step; each is replaced by at most one defence.

    ``reference_noise`` makes the noise of the frozen reference, or is None; ``after_retain`` may change the
    retain gradient; ``forget_gradient`` takes the forget gradient; ``combine`` joins both.
    """

    reference_noise: ReferenceNoise | None = None
    forget_gradient: Callable[[Engine, TextBank, torch.Generator], Gradient] = plain_forget
    after_retain: Callable[[Engine, TextBank, Tensors, torch.Generator], Tensors] | None = None
    combine: Callable[[Tensors, Tensors], Tensors] = add
    replaced: dict[str, str] = field(default_factory=dict)

    def replace(self, part: str, value, by: str) -> None:
        """Replace a part. Raises ValueError when another defence has replaced it."""
        if part in self.replaced:
            raise ValueError(f"defences {self.replaced[part]} and {by} both replace the {part} of a step")
        self.replaced[part] = by
        setattr(self, part, value)

    def retain_gradient(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        """The retain gradient, with the reference's noise and what changes it afterwards."""
        noise = self.reference_noise(generator) if self.reference_noise else None
        loss, gradient = engine.retain_gradient(batch, noise)
        if self.after_retain:
            gradient = self.after_retain(engine, batch, gradient, generator)
        return loss, gradient
