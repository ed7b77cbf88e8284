"""How one step is taken. A defence replaces the parts of it that its ``Facts`` name; those of other parts compose."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch

from unlearning_robustness.defences.rounding import held
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


def one_after_another(first: Noise, second: Noise) -> Noise:
    """Both noises, ``first`` before ``second``."""
    return lambda hidden: second(first(hidden))


def relative_noise_scale(noise_scale: float, width: int, activation_norm: float) -> dict[str, float]:
    """What a manifest says of noise nu: nu sqrt(d) / mean ||z_ref||, which carries over between models; nu does not."""
    return {"relative_noise_scale": noise_scale * width**0.5 / activation_norm}


@dataclass
class Step:
    """The parts of a step; each is replaced by at most one defence.

    ``reference_noise``, ``entering_noise`` and ``leaving_noise`` make what disturbs the retain loss (see
    ``RetainNoise``), or are None; ``retain_at`` is the context in which the retain gradient is taken.
    ``after_retain`` may change it, and gets a function beside it that takes it again with more noise in the reference,
    at the same weights and under the same draws of every other noise. ``forget_gradient`` takes the forget gradient;
    ``combine`` joins both; ``optimiser`` makes what moves the weights, the engine's where it is None, and ``clips``
    says whether the schedule clips what it is given; ``before_update`` sees the optimiser and the forget gradient
    before it moves them; ``after_step`` sees the weights after each step, and ``finish`` may put others in their place
    at the end. ``memory`` is what a defence keeps from step to step, saved with the run; ``measures`` are numbers of
    the last step for its history. ``learning_rate`` is the run's, by which lengths can be given in optimiser steps, and
    ``noise_unit`` computes the standard deviation of noise as long as a mean activation of the retain text; in steps
    that the trainer ``compares``, defences say how far their forget gradients turn from the plain one.
    """

    reference_noise: MakeNoise | None = None
    entering_noise: MakeNoise | None = None
    leaving_noise: MakeNoise | None = None
    forget_gradient: Callable[[Engine, ActivationCache, torch.Generator], Gradient] = plain_forget
    after_retain: Callable[[Tensors, Callable[[Noise], Tensors], torch.Generator], Tensors] | None = None
    combine: Callable[[Tensors, Tensors], Tensors] = add
    optimiser: Callable[[list[torch.Tensor], float, float], torch.optim.Optimizer] | None = None
    clips: bool = True
    retain_at: Callable[[Engine], AbstractContextManager] = in_place
    before_update: Callable[[torch.optim.Optimizer, Tensors], None] | None = None
    after_step: Callable[[Engine, int], None] | None = None
    finish: Callable[[Engine], None] | None = None
    memory: Tensors = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    learning_rate: float | None = None
    noise_unit: Callable[[], float] | None = None
    compares: bool = False

    def replace(self, part: str, value) -> None:
        """Replace a part. Raises ValueError when another defence has replaced it, which the configuration refuses."""
        if part in self.replaced:
            raise ValueError(f"two defences replace the {part} of a step")
        self.replaced.add(part)
        setattr(self, part, value)

    def retain_gradient(self, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        """The retain gradient, with what disturbs it and what changes it afterwards.

        Raises TrainingError when the model's number type swallows noise.
        """
        before = generator.clone_state()
        loss, gradient = self._disturbed_gradient(engine, batch, generator)
        if self.after_retain:

            def again(noise: Noise) -> Tensors:
                return self._disturbed_gradient(engine, batch, before.clone_state(), noise)[1]

            gradient = self.after_retain(gradient, again, generator)
        return loss, gradient

    def _disturbed_gradient(
        self, engine: Engine, batch: ActivationCache, generator: torch.Generator, added: Noise | None = None
    ) -> Gradient:
        """The retain gradient under the step's noise, with noise ``added`` in the reference behind it."""
        makers = (self.reference_noise, self.entering_noise, self.leaving_noise)
        reference, entering, leaving = (make(generator) if make else None for make in makers)
        if added:
            reference = one_after_another(reference, added) if reference else added
        # Losses on activations read the noisy reference as it is; what goes on through layers is rounded.
        target = torch.float32 if engine.method.reads == "hidden" else engine.dtype
        noises = ((reference, target), (entering, engine.dtype), (leaving, engine.dtype))
        with self.retain_at(engine):
            return engine.retain_gradient(batch, RetainNoise(*(held(*noise) if noise[0] else None for noise in noises)))
