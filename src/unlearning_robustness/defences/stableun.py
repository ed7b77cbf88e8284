"""StableUN: forgetting feedback from a perturbed neighbourhood, remembering feedback, harmonised (arXiv 2509.20230).

No code was released and parts of the text are not public; where it leaves a choice open there is a parameter.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch

from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.perturbation import along, forget_gradient_at, gaussian, mean, plus
from unlearning_robustness.defences.projection import harmonise
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine
from unlearning_robustness.models.weights import Tensors


@dataclass(frozen=True)
class StableUN:
    """First-order StableUN; a perturbation of size 0 is off, and any subset may be on.

    Inner step: theta_tau = theta - ``inner_radius`` g / ||g||. Neighbours of theta_tau:
    SAP, ``sap_radius`` along the forget gradient there; GPN, Gaussian noise of norm about ``gpn_radius``;
    GAP, ``gap_rate`` times the forget gradient there, a simulated relearning step;
    HWS, the moving average of past weights with decay ``hws_decay``.
    g_f = share L_forget + ``forget_feedback`` mean L_forget(neighbours), g_r = share L_forget + ``retain_feedback``
    L_retain(theta_tau); conflicting parts of g_f are projected out, and the step is their sum (Eq. 10-13).
    """

    inner_radius: float
    sap_radius: float = 0.0
    gpn_radius: float = 0.0
    gap_rate: float = 0.0
    hws_decay: float = 0.0
    forget_feedback: float = 0.5
    retain_feedback: float = 1.0
    forget_share: float = 0.5
    projection: Literal["conditional", "unconditional", "none"] = "conditional"
    granularity: Literal["global", "tensor"] = "global"

    def install(self, step: Step) -> None:
        """Replace both gradients' places and how they are joined."""
        Feedback(self, step)


@dataclass
class Feedback:
    """One step's exchange between the branches: the inner weights and the forget gradient at theta."""

    settings: StableUN
    step: Step
    inner: Tensors = field(default_factory=dict)
    at_theta: Tensors = field(default_factory=dict)

    def __post_init__(self):
        self.step.replace("forget_gradient", self.forget_gradient, "stableun")
        self.step.replace("retain_at", self.retain_at, "stableun")
        self.step.replace("combine", self.combine, "stableun")

    def forget_gradient(self, engine: Engine, batch: TextBank, generator: torch.Generator) -> Gradient:
        """G_f, before harmonisation."""
        settings, weights = self.settings, engine.weights
        loss, self.at_theta = engine.forget_gradient(batch)
        self.inner = plus(weights.master, along(self.at_theta, settings.inner_radius), -1.0)
        needs_gradient = settings.sap_radius or settings.gap_rate
        loss_inner, at_inner = forget_gradient_at(engine, batch, self.inner) if needs_gradient else (None, None)
        found = [
            forget_gradient_at(engine, batch, plus(self.inner, added))
            for added in self._perturbations(weights.master, at_inner, generator)
        ]
        if settings.hws_decay:
            # The history is a place, not a perturbation of a chosen size: it may be as near as it is.
            with weights.at(self._history(weights.master)):
                found.append(engine.forget_gradient(batch))
        found = found or [forget_gradient_at(engine, batch, self.inner)]
        feedback = mean([gradient for _, gradient in found])
        self.step.measures |= {"loss": loss, "loss_perturbed": sum(value for value, _ in found) / len(found)}
        self.step.measures |= {"loss_inner": loss_inner} if loss_inner is not None else {}
        return loss, plus(self._share(), feedback, settings.forget_feedback)

    def _perturbations(self, master: Tensors, at_inner: Tensors | None, generator: torch.Generator) -> list[Tensors]:
        settings, found = self.settings, []
        if settings.sap_radius:
            found.append(along(at_inner, settings.sap_radius))
        if settings.gpn_radius:
            elements = sum(tensor.numel() for tensor in master.values())
            found.append(gaussian(master, settings.gpn_radius / elements**0.5, generator))
        if settings.gap_rate:
            found.append({name: settings.gap_rate * tensor for name, tensor in at_inner.items()})
        return found

    def _history(self, master: Tensors) -> Tensors:
        """The moving average of the weights, this step's included; before there is a history, the weights."""
        memory, decay = self.step.memory, self.settings.hws_decay
        for name, tensor in master.items():
            past = memory.get(f"history.{name}", tensor)
            memory[f"history.{name}"] = past + (1 - decay) * (tensor - past)
        return {name: memory[f"history.{name}"] for name in master}

    def _share(self) -> Tensors:
        return {name: self.settings.forget_share * tensor for name, tensor in self.at_theta.items()}

    @contextmanager
    def retain_at(self, engine: Engine):
        """The retain gradient is taken at theta_tau."""
        with engine.weights.at(self.inner):
            yield

    def combine(self, forget: Tensors, retain: Tensors) -> Tensors:
        """The harmonised sum of both branches; ``retain`` is the gradient at theta_tau."""
        retain = plus(self._share(), retain, self.settings.retain_feedback)
        return plus(harmonise(forget, retain, self.settings.projection, self.settings.granularity), retain)
