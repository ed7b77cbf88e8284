"""What defences make of a forget loss f and a retain loss r, both functions of the weights, by the papers' formulas.

Each defence returns the gradient of a step. Weights are dictionaries of float64 tensors. Where a formula draws random
numbers it takes them from ``random``, tensor by tensor in the order of the weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Loss = Callable[[Weights], Tensor]


def gradient(loss: Loss, weights: Weights, create_graph: bool = False) -> Weights:
    free = {name: tensor.detach().requires_grad_(True) for name, tensor in weights.items()}
    value = loss(free)
    return dict(zip(free, torch.autograd.grad(value, list(free.values()), create_graph=create_graph), strict=True))


def dot(one: Weights, other: Weights) -> Tensor:
    return sum((one[name] * other[name]).sum() for name in one)


def plus(*terms: tuple[float, Weights]) -> Weights:
    return {name: sum(factor * tensors[name] for factor, tensors in terms) for name in terms[0][1]}


def along(direction: Weights, length: float) -> Weights:
    return plus((length / dot(direction, direction).sqrt(), direction))


def normal(weights: Weights, scale: float, random: torch.Generator) -> Weights:
    """Drawn in float32, as everyone does."""
    return {name: scale * torch.randn(tensor.shape, generator=random).to(tensor) for name, tensor in weights.items()}


def plain(f: Loss, r: Loss, w: Weights, **_) -> Weights:
    return plus((1, gradient(f, w)), (1, gradient(r, w)))


def sam(f: Loss, r: Loss, w: Weights, radius: float, **_) -> Weights:
    """Foret et al. 2021, on the forget loss alone (Fan et al. 2025)."""
    worst = plus((1, w), (1, along(gradient(f, w), radius)))
    return plus((1, gradient(f, worst)), (1, gradient(r, w)))


def smoothing(f: Loss, r: Loss, w: Weights, scale: float, draws: int, random: torch.Generator, **_) -> Weights:
    drawn = [gradient(f, plus((1, w), (1, normal(w, scale, random)))) for _ in range(draws)]
    return plus(*((1 / draws, each) for each in drawn), (1, gradient(r, w)))


def gradient_penalty(f: Loss, r: Loss, w: Weights, weight: float, **_) -> Weights:
    """Of f + weight |grad f|."""
    free = {name: tensor.detach().requires_grad_(True) for name, tensor in w.items()}
    value = f(free)
    slopes = torch.autograd.grad(value, list(free.values()), create_graph=True)
    size = sum(slope.square().sum() for slope in slopes).sqrt()
    total = torch.autograd.grad(value + weight * size, list(free.values()))
    return plus((1, dict(zip(free, total, strict=True))), (1, gradient(r, w)))


def curvature(f: Loss, r: Loss, w: Weights, weight: float, radius: float, **_) -> Weights:
    """Of f + weight |grad f(w + e) - grad f(w)|, the step e along grad f held fixed."""
    ahead = along(gradient(f, w), radius)
    free = {name: tensor.detach().requires_grad_(True) for name, tensor in w.items()}
    here, moved = f(free), f(plus((1, free), (1, ahead)))
    slopes, others = (torch.autograd.grad(each, list(free.values()), create_graph=True) for each in (here, moved))
    size = sum((one - other).square().sum() for one, other in zip(slopes, others, strict=True)).sqrt()
    total = torch.autograd.grad(here + weight * size, list(free.values()))
    return plus((1, dict(zip(free, total, strict=True))), (1, gradient(r, w)))


def projected(forget: Weights, retain: Weights, always: bool = False) -> Weights:
    """Forget gradient without its part along the retain gradient, where they conflict or always."""
    overlap = dot(forget, retain)
    if overlap >= 0 and not always:
        return forget
    return plus((1, forget), (-overlap / dot(retain, retain), retain))


def stableun(
    f: Loss, r: Loss, w: Weights, memory: dict, random: torch.Generator, inner_radius: float, sap_radius: float = 0,
    gpn_radius: float = 0, gap_rate: float = 0, hws_decay: float = 0, forget_feedback: float = 0.5,
    retain_feedback: float = 1.0, forget_share: float = 0.5, projection: str = "conditional", **_,
) -> Weights:  # fmt: skip
    """arXiv 2509.20230, Eq. 10 to 13, first order."""
    here = gradient(f, w)
    inner = plus((1, w), (-1, along(here, inner_radius)))
    neighbours = []
    if gpn_radius:
        elements = sum(tensor.numel() for tensor in w.values())
        neighbours.append(plus((1, inner), (1, normal(w, gpn_radius / elements**0.5, random))))
    if hws_decay:
        memory["past"] = plus((hws_decay, memory.get("past", w)), (1 - hws_decay, w))
        neighbours.append(memory["past"])
    if sap_radius:
        neighbours.append(plus((1, inner), (1, along(gradient(f, inner), sap_radius))))
    if gap_rate:
        neighbours.append(plus((1, inner), (gap_rate, gradient(f, inner))))
    neighbours = neighbours or [inner]
    feedback = plus(*((1 / len(neighbours), gradient(f, each)) for each in neighbours))
    forget = plus((forget_share, here), (forget_feedback, feedback))
    retain = plus((1 - forget_share, here), (retain_feedback, gradient(r, inner)))
    if projection != "none":
        forget = projected(forget, retain, projection == "unconditional")
    return plus((1, forget), (1, retain))


def average(path: list[Weights], start: int, every: int) -> Weights:
    """The mean of the weights after step ``start`` and every ``every`` steps from there; the path begins at step 1."""
    kept = path[start - 1 :: every]
    return plus(*((1 / len(kept), each) for each in kept))
