"""StableUN: forgetting feedback from a perturbed neighbourhood, remembering feedback, harmonised (arXiv 2509.20230).

No code was released and parts of the text are not public; where it leaves a choice open there is a parameter.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch

from unlearning_robustness.config.effects import least_noise
from unlearning_robustness.config.ranges import LengthUnit, NonNegative, Positive, Share
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.lengths import Unit, unit_of
from unlearning_robustness.defences.perturbation import (
    RunningMean,
    Weighted,
    add_scaled,
    factor_to,
    forget_gradient_at,
    gaussian,
    perturbed,
    step_along,
)
from unlearning_robustness.defences.projection import cosine, harmonise
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import Tensors, norm


@dataclass(frozen=True)
class StableUN:
    """First-order StableUN; a perturbation of size 0 is off, and any subset may be on.

    Inner step: theta_tau = theta - ``inner_radius`` g / ||g||. Neighbours of theta_tau:
    SAP, ``sap_radius`` along the forget gradient there; GPN, Gaussian noise of norm about ``gpn_radius``;
    GAP, ``gap_rate`` times the forget gradient there, a simulated relearning step;
    HWS, the moving average of past weights with decay ``hws_decay``.

    ``unit`` of these lengths: ``absolute``, a ``step`` of AdamW at the run's learning rate, or the ``norm`` of the
    trained tensors. In the latter two ``gap_rate`` is the length at which a gradient as long as g moves the weights.
    A step of GAP shrinks with the gradient; ``gap_kept`` in the history is the share that rounding leaves of it.

    g_f = ``forget_share`` L_forget + ``forget_feedback`` mean L_forget(neighbours), g_r = ``retain_branch_share``
    L_forget + ``retain_feedback`` L_retain(theta_tau); the part of g_f along g_r is projected out, and the step is
    their sum (Eq. 10-13). ``projection``: ``conditional``, where both conflict; ``unconditional``, always; ``none``,
    never. Whether they conflict is asked of all tensors together, or of each: ``granularity``.

    By Eq. 11 each branch has half of L_forget; with shares of 1 and 0 the sum is the same, but g_r is of retain text
    alone, so that the branches can conflict. ``alignment`` in the history is their cosine.
    """

    inner_radius: Positive
    sap_radius: NonNegative = 0.0
    gpn_radius: NonNegative = 0.0
    gap_rate: NonNegative = 0.0
    hws_decay: Share = 0.0
    forget_feedback: NonNegative = 0.5
    retain_feedback: NonNegative = 1.0
    forget_share: NonNegative = 0.5
    retain_branch_share: NonNegative = 0.5
    projection: Literal["conditional", "unconditional", "none"] = "conditional"
    granularity: Literal["global", "tensor"] = "global"
    unit: LengthUnit = "absolute"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient", "retain_at", "combine")
        colours = ("#0072B2", "#56B4E9", "#003F66", "#A6CEE3", "#6A51A3", "#B39DDB")
        marker = "p"

        @staticmethod
        def problems(settings: dict) -> Iterator[tuple[str, str]]:
            inner, ascent = settings["inner_radius"], settings["sap_radius"]
            if 0 < ascent <= inner:
                yield (
                    "sap_radius",
                    (
                        f"{ascent} is not above inner_radius {inner}, so the ascent only undoes the inner step; "
                        "give at least twice the inner radius"
                    ),
                )

        @staticmethod
        def unfit(settings: dict, method: dict) -> Iterator[str]:
            if settings["projection"] != "none" and method["retain_weight"] == 0:
                yield "it projects on the retain gradient, and retain_weight 0 leaves none; give it projection: none"
            if settings["hws_decay"] and method["trained"] == "lora":
                yield "it averages whole weights, and adapters are trained; leave it out there, or change `trained`"

        @staticmethod
        def inert(settings: dict, method: dict, half_step: float) -> Iterator[str]:
            radius, least = settings["gpn_radius"], least_noise(half_step)
            if settings["unit"] == "norm" and 0 < radius < least:
                yield f"rounding swallows noise of {radius:g} norms; give a gpn_radius of {least:.2g} at least"

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            inner = bool(settings["sap_radius"] or settings["gap_rate"])
            around = sum(bool(settings[key]) for key in ("sap_radius", "gpn_radius", "gap_rate", "hws_decay"))
            return 1 + inner + max(1, around)

    def install(self, step: Step) -> None:
        """Take both gradients at other weights, and join them by projection."""
        Feedback(self, step)


@dataclass
class Feedback:
    """What the branches of one step exchange: the forget gradient at theta, which gives theta_tau.

    It keeps three gradients at most: that one, the one at theta_tau where a perturbation needs it, and the feedback's
    sum.
    """

    settings: StableUN
    step: Step
    at_theta: Tensors = field(default_factory=dict)

    def __post_init__(self):
        self.step.replace("forget_gradient", self.forget_gradient)
        self.step.replace("retain_at", self.retain_at)
        self.step.replace("combine", self.combine)

    def forget_gradient(self, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        """G_f, before harmonisation."""
        loss, self.at_theta = engine.forget_gradient(batch)
        self.step.measures["loss"] = loss
        feedback, losses = RunningMean(), []
        for name, (value, gradient) in self._feedback(engine, batch, generator):
            compare(self.step, name, self.at_theta, gradient)
            losses.append(value)
            feedback.add(gradient)
            del gradient
        self.step.measures["loss_perturbed"] = sum(losses) / len(losses)
        shares = (self.settings.forget_share, self.at_theta), (self.settings.forget_feedback, feedback.value())
        return loss, dict(Weighted(*shares))

    def _feedback(
        self, engine: Engine, batch: ActivationCache, generator: torch.Generator
    ) -> Iterator[tuple[str, Gradient]]:
        """The forget gradient at each chosen neighbour of theta_tau, by name; without a choice at theta_tau itself."""
        settings, master, unit = self.settings, engine.weights.master, self._unit(engine)
        inner = self._inner(engine)
        if settings.gpn_radius:
            elements = sum(tensor.numel() for tensor in master.values())
            noise = gaussian(master, settings.gpn_radius * unit.length / elements**0.5, generator)
            yield "gpn", forget_gradient_at(engine, batch, Weighted((1, inner), (1, noise)), inner)
            del noise
        if settings.hws_decay:
            yield "hws", self._at_history(engine, batch)
        if settings.sap_radius or settings.gap_rate:
            self.step.measures["loss_inner"], at_inner = forget_gradient_at(engine, batch, inner)
            if settings.sap_radius:
                ascent = step_along(inner, at_inner, settings.sap_radius * unit.length)
                yield "sap", forget_gradient_at(engine, batch, ascent, inner)
            if settings.gap_rate:
                rate = settings.gap_rate * self._gradient_unit(unit)
                yield "gap", self._relearned(engine, batch, Weighted((1, inner), (rate, at_inner)), inner)
        elif not (settings.gpn_radius or settings.hws_decay):
            yield "inner", forget_gradient_at(engine, batch, inner)

    def _relearned(self, engine: Engine, batch: ActivationCache, values: Weighted, start: Weighted) -> Gradient:
        """The forget gradient behind a simulated relearning step, which is as long as the gradient makes it.

        So rounding stops no run here when gradients shrink: the history has the share of its length that is kept.
        """
        with engine.weights.at(values):
            if asked := norm(Weighted((1, values), (-1, start))):
                self.step.measures["gap_kept"] = engine.weights.displacement(start) / asked
            return engine.forget_gradient(batch)

    def _unit(self, engine: Engine) -> Unit:
        return unit_of(self.settings.unit, self.step, engine)

    def _gradient_unit(self, unit: Unit) -> float:
        """The rate at which the gradient at theta moves the weights by one unit; of absolute lengths 1."""
        return 1.0 if self.settings.unit == "absolute" else factor_to(self.at_theta, unit.length)

    def _inner(self, engine: Engine) -> Weighted:
        """theta_tau."""
        radius = self.settings.inner_radius * self._unit(engine).length
        return step_along(engine.weights.master, self.at_theta, -radius)

    def _at_history(self, engine: Engine, batch: ActivationCache) -> Gradient:
        # The history is no perturbation of a chosen size, so no rounding of it is refused.
        with engine.weights.at(self._history(engine.weights.master)):
            return engine.forget_gradient(batch)

    def _history(self, master: Tensors) -> Tensors:
        """The moving average of the weights in float32, this step's included; before there is one, the weights."""
        memory, decay = self.step.memory, self.settings.hws_decay
        for name, tensor in master.items():
            past = memory.get(f"history.{name}", tensor.float())
            memory[f"history.{name}"] = past + (1 - decay) * (tensor - past)
        return {name: memory[f"history.{name}"] for name in master}

    @contextmanager
    def retain_at(self, engine: Engine):
        """The retain gradient is taken at theta_tau."""
        with perturbed(engine, self._inner(engine)):
            yield

    def combine(self, forget: Tensors, retain: Tensors) -> Tensors:
        """The harmonised sum of both branches; ``retain`` is the gradient at theta_tau."""
        settings = self.settings
        retain = Weighted((settings.retain_branch_share, self.at_theta), (settings.retain_feedback, retain))
        self.step.measures["alignment"] = cosine(forget, retain)
        return add_scaled(harmonise(forget, retain, settings.projection, settings.granularity), retain)
