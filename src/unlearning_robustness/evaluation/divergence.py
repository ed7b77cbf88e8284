"""Sharpness in function space: how far predictions move when weights do (asked for by StableUN's reviewers).

Weight-space sharpness changes with the parametrisation: of a LoRA product BA, or of an MLP whose up-projection is
scaled against its down-projection. Here the perturbation has a norm in the merged weights and the answer is measured
in predictions. As a share of ||dW|| it is the same under both; as a number it is equal for all cells of one model.
"""

import torch

from unlearning_robustness.defences.perturbation import add_scaled
from unlearning_robustness.engine.weights import TrainedWeights
from unlearning_robustness.evaluation.directions import random_direction
from unlearning_robustness.evaluation.texts import Texts, logits_on
from unlearning_robustness.methods.kl import kl_divergence


def perturbation_norm(settings: dict, change: float) -> tuple[float, float]:
    """(``at``, norm of the perturbation): ``at`` is what the settings give, ``share`` of ||dW|| or ``norm``."""
    if "share" in settings:
        return settings["share"], settings["share"] * change
    return settings["norm"], settings["norm"]


@torch.no_grad()
def divergences(
    model, weights: TrainedWeights, texts: dict[str, Texts], length: float, draws: int, generator: torch.Generator
) -> dict[str, list[float]]:
    """Per corpus and draw: mean KL(p_theta || p_theta+delta) a token (nats), delta isotropic of norm ``length``.

    The perturbed tensors are those of ``weights``; all corpora share the draws. The weights come back bit for bit.
    """
    before = {corpus: logits_on(model, pair) for corpus, pair in texts.items()}
    drawn = {corpus: [] for corpus in texts}
    for _ in range(draws):
        added = random_direction(weights.master, length, generator)
        with weights.at(add_scaled(weights.master, added)):
            for corpus, pair in texts.items():
                drawn[corpus].append(kl_divergence(logits_on(model, pair), before[corpus], pair[1]).item())
    return drawn
