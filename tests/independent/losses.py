"""Every unlearning objective by its paper's formula: plain torch in any number type, and nothing of the project.

A reading is what a model says of one text: token ids (T,), the activations at the read layer (T, d), which of them
count (T,), and the logits (T, V). Formulas take one reading of each text, so no text knows of another's length.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Reading:
    ids: Tensor
    hidden: Tensor
    counts: Tensor
    logits: Tensor


def surprise(reading: Reading) -> Tensor:
    """Minus log p of each token given those before it, (T - 1,)."""
    log_p = reading.logits[:-1] - reading.logits[:-1].logsumexp(-1, keepdim=True)
    return -log_p.gather(1, reading.ids[1:, None])[:, 0]


def likelihoods(readings: list[Reading], normalisation: str) -> Tensor:
    """The negative log-likelihood of each text, or the one number that a batch mean is."""
    tokens = [surprise(reading) for reading in readings]
    if normalisation == "batch-mean":
        return torch.cat(tokens).mean()
    return torch.stack([each.mean() if normalisation == "token-mean" else each.sum() for each in tokens])


def distance(readings: list[Reading], targets: list[Tensor]) -> Tensor:
    """Mean over counted activations and their dimensions of the squared distance to the targets, (T, d) or (d,)."""
    aims = [target.expand_as(each.hidden)[each.counts] for each, target in zip(readings, targets, strict=True)]
    return torch.nn.functional.mse_loss(torch.cat([each.hidden[each.counts] for each in readings]), torch.cat(aims))


def mean_length(readings: list[Reading]) -> Tensor:
    return torch.cat([reading.hidden[reading.counts] for reading in readings]).norm(dim=-1).mean()


def preference(gain: Tensor, beta: float) -> Tensor:
    """-(2 / beta) log sigma(beta gain), mean over texts."""
    return (2 / beta) * torch.nn.functional.softplus(-beta * gain).mean()


def forget_loss(
    kind: str, settings: dict, ours: list[Reading], frozen: list[Reading], vector: Tensor | None,
    refusals: tuple[list[Reading], list[Reading]] | None = None,
) -> Tensor:  # fmt: skip
    """The forget loss of a batch; ``vector`` is the unit vector of a method that has one (Adaptive RMU's times n_0)."""
    if kind == "rmu":
        return distance(ours, [settings["coefficient"] * vector for _ in ours])
    if kind == "adaptive-rmu":
        return distance(ours, [settings["scale"] * vector for _ in ours])
    if kind == "rsv":
        return distance(ours, [each.hidden + settings["coefficient"] * vector for each in frozen])
    if kind == "rab":
        along = [(each.hidden @ vector)[:, None] * vector for each in frozen]
        targets = [each.hidden - settings["coefficient"] * part for each, part in zip(frozen, along, strict=True)]
        return distance(ours, targets)
    nll = likelihoods(ours, settings["normalisation"])
    if kind == "gradient-ascent":
        return -nll.mean()
    if kind == "simnpo":
        return preference(nll - settings["margin"] / settings["beta"], settings["beta"])
    gain = nll - likelihoods(frozen, settings["normalisation"])
    if kind == "npo":
        return preference(gain, settings["beta"])
    now, then = (likelihoods(each, settings["normalisation"]) for each in refusals)
    # Released code takes the refusal's likelihood under the model in training on both sides.
    preferred = now - (now if settings["implementation"] == "released" else then)
    if preferred.ndim:
        preferred = preferred.repeat(math.ceil(len(ours) / len(preferred)))[: len(ours)]
    return preference(gain - preferred, settings["beta"])


def retain_loss(
    kind: str,
    ours: list[Reading],
    frozen: list[Reading],
    round_ours=lambda log_p: log_p,
    round_both=lambda log_p: log_p,
) -> Tensor:
    """The retain loss of a batch; the two functions round log-probabilities as released code does."""
    if kind == "activation":
        return distance(ours, [each.hidden for each in frozen])
    if kind == "nll":
        return likelihoods(ours, "batch-mean")
    p, q = (torch.cat([each.logits for each in readings]).log_softmax(-1) for readings in (ours, frozen))
    if kind == "mse":
        return torch.nn.functional.mse_loss(round_both(p), round_both(q))
    return (q.exp() * (q - round_ours(p))).sum(-1).mean()
