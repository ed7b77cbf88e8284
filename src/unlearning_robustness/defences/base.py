"""How one step is taken. A defence replaces the parts of it that its ``Facts`` name; those of other parts compose."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch

from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine, Noise, RetainNoise
from unlearning_robustness.engine.weights import Tensors

MakeNoise = Callable[[torch.Generator], Noise]
Gradient = tuple[float, Tensors]


def plain_forget(engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
    """The forget gradient at the present weights."""
    return engine.forget_gradient(batch)


def in_place(engine: Engine) -> AbstractContextManager:
    """The weights as they are."""
    return nullcontext()


def add(forget: Tensors, retain: Tensors) -> Tensors:
    """The sum of both gradients."""
    return {name: forget[name] + retain[name] for name in forget}


def adamw(tensors: list[torch.Tensor], learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW with torch's own moments."""
    return torch.optim.AdamW(tensors, lr=learning_rate, weight_decay=weight_decay, fused=True)


def relative_noise_scale(noise_scale: float, width: int, activation_norm: float) -> dict[str, float]:
    """What a manifest says of noise nu: nu sqrt(d) / mean ||z_ref||, which carries over between models; nu does not."""
    return {"relative_noise_scale": noise_scale * width**0.5 / activation_norm}


@dataclass
class Step:
    """The parts of a step; each is replaced by at most one defence.

    ``reference_noise``, ``entering_noise`` and ``leaving_noise`` make what disturbs the retain loss (see
    ``RetainNoise``), or are None; ``retain_at`` is the context in which the retain gradient is taken, and
    ``after_retain`` may change it; ``forget_gradient`` takes the forget gradient; ``combine`` joins both; ``optimiser``
    makes what moves the weights; ``after_step`` sees them after each step, and ``finish`` may put others in their place
    at the end. ``memory`` is what a defence keeps from step to step, saved with the run; ``measures`` are numbers of
    the last step for its history.
    """

    reference_noise: MakeNoise | None = None
    entering_noise: MakeNoise | None = None
    leaving_noise: MakeNoise | None = None
    forget_gradient: Callable[[Engine, ActivationCache, torch.Generator], Gradient] = plain_forget
    after_retain: Callable[[Engine, ActivationCache, Tensors, torch.Generator], Tensors] | None = None
    combine: Callable[[Tensors, Tensors], Tensors] = add
    optimiser: Callable[[list[torch.Tensor], float, float], torch.optim.Optimizer] = adamw
    retain_at: Callable[[Engine], AbstractContextManager] = in_place
    after_step: Callable[[Engine, int], None] | None = None
    finish: Callable[[Engine], None] | None = None
    memory: Tensors = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)

    def replace(self, part: str, value) -> None:
        """Replace a part. Raises ValueError when another defence has replaced it, which the configuration refuses."""
        if part in self.replaced:
            raise ValueError(f"two defences replace the {part} of a step")
        self.replaced.add(part)
        setattr(self, part, value)

    def retain_gradient(self, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        """The retain gradient, with what disturbs it and what changes it afterwards."""
        makers = (self.reference_noise, self.entering_noise, self.leaving_noise)
        noise = RetainNoise(*(make(generator) if make else None for make in makers))
        with self.retain_at(engine):
            loss, gradient = engine.retain_gradient(batch, noise)
        if self.after_retain:
            gradient = self.after_retain(engine, batch, gradient, generator)
        return loss, gradient
