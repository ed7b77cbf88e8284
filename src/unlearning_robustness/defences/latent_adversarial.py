"""LAT: forget where an adversary in the latents has brought the knowledge back (latent adversarial training).

Casper et al. 2024 (arXiv 2403.05030), Sheshadri et al. 2024 (arXiv 2407.15549). Theirs raises the likelihood of the
forgotten text; this one raises the method's own forget loss, which is the same for a likelihood loss.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch.nn.functional import normalize

from unlearning_robustness.config.ranges import Count, Positive
from unlearning_robustness.defences.base import Gradient, Step
from unlearning_robustness.defences.comparison import compare, plain_gradient
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.defences.rounding import refuse_rounded_activations
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine, loss_mask
from unlearning_robustness.methods.loss_inputs import masked_mean
from unlearning_robustness.runtime.parallel import sample_local_rows


def in_ball(perturbation: torch.Tensor, radius: float, mask: torch.Tensor) -> torch.Tensor:
    """Each token's vector of (B, T, d) cut back to norm ``radius``; nothing where ``mask`` (B, T) is False."""
    size = perturbation.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    return (perturbation * (radius / size).clamp(max=1.0)).masked_fill(~mask[..., None], 0.0)


def projected_ascent(
    loss: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    radius: float,
    mask: torch.Tensor,
    steps: int,
    length: float,
) -> torch.Tensor:
    """A perturbation (B, T, d) in the ball that raises ``loss`` of it, a scalar, from ``start``.

    Each of ``steps`` moves every token by ``length`` along its own gradient; one without a gradient stays. No
    gradient of anything else is taken.
    """
    perturbation = in_ball(start, radius, mask)
    for _ in range(steps):
        perturbation.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(perturbation), perturbation)
        perturbation = in_ball(perturbation.detach() + length * normalize(gradient, dim=-1), radius, mask)
    return perturbation


@dataclass(frozen=True)
class LatentAdversarial:
    """Forget gradient at the perturbed residual stream; the forget loss of the history is the clean one.

    ``radius`` bounds each real token's perturbation, as a share of the mean activation norm of the batch's real tokens
    (the first, the attention sink, not counted), so that it carries over between layers and models. ``steps`` of
    ``step_size`` radii start at a random direction of full length. ``place``: ``entering`` the first trained layer,
    or ``leaving`` the read layer. The reference stays clean. Raises TrainingError when the model's number type
    swallows the perturbation.
    """

    radius: Positive
    steps: Count = 4
    step_size: Positive = 0.5
    place: Literal["entering", "leaving"] = "entering"

    class Facts(DefenceFacts):
        replaces = ("forget_gradient",)

        @staticmethod
        def unfit(settings: dict, method: dict) -> Iterator[str]:
            if method["implementation"] == "released":
                yield "no released code has it; leave it out there, or give the method implementation: corrected"

        @staticmethod
        def forget_gradients(settings: dict) -> int:
            return 1 + settings["steps"]

    def install(self, step: Step) -> None:
        """Take the forget gradient at the adversary's perturbation."""
        step.replace("forget_gradient", partial(self._forget, step))

    def _forget(self, step: Step, engine: Engine, batch: ActivationCache, generator: torch.Generator) -> Gradient:
        with torch.no_grad():
            clean = engine.forget_loss(batch).item()
        stream = batch.prefix if self.place == "entering" else batch.reference_hidden
        counted = loss_mask(batch.mask, "hidden")
        radius = self.radius * masked_mean(stream.float().norm(dim=-1), counted).item()
        start = sample_local_rows(torch.randn, stream.shape, generator, stream.device)
        adversary = projected_ascent(
            lambda perturbation: engine.forget_loss(batch, **self._disturbed(perturbation)),
            radius * normalize(start, dim=-1), radius, batch.mask, self.steps, self.step_size * radius,
        )  # fmt: skip
        for _ in range(self.steps):
            engine.cost.backward()
        refuse_rounded_activations(stream, stream.float() + adversary, stream.dtype)
        plain = plain_gradient(step, engine, batch)
        loss, gradient = engine.forget_gradient(batch, **self._disturbed(adversary))
        compare(step, "lat", plain, gradient)
        step.measures |= {
            "loss_perturbed": loss,
            "perturbation_norm": masked_mean(adversary.norm(dim=-1), batch.mask).item(),
        }
        return clean, gradient

    def _disturbed(self, perturbation: torch.Tensor) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
        return {self.place: lambda hidden: hidden + perturbation}
