"""Perturbations of the trained weights: pure functions that give what is added, and one that takes a gradient there."""

import torch

from unlearning_robustness.defences.base import Gradient
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.models.bank import TextBank
from unlearning_robustness.models.engine import Engine
from unlearning_robustness.models.weights import Tensors, norm

# A perturbation that rounding to the model's type changes by more than this is refused.
TOLERANCE = 0.05


def along(direction: Tensors, length: float) -> Tensors:
    """``direction`` scaled to Frobenius norm ``length`` over all tensors together; nothing where it has no length."""
    size = norm(direction)
    return {name: tensor * (length / size if size > 0 else 0.0) for name, tensor in direction.items()}


def gaussian(like: Tensors, scale: float, generator: torch.Generator) -> Tensors:
    """Independent N(0, scale^2) in the shapes of ``like``."""
    return {
        name: scale * torch.randn(tensor.shape, generator=generator, device=tensor.device)
        for name, tensor in like.items()
    }


def plus(tensors: Tensors, added: Tensors, factor: float = 1.0) -> Tensors:
    """``tensors`` + ``factor`` * ``added``."""
    return {name: tensor + factor * added[name] for name, tensor in tensors.items()}


def mean(gradients: list[Tensors]) -> Tensors:
    """The mean of several gradients."""
    return {name: sum(gradient[name] for gradient in gradients) / len(gradients) for name in gradients[0]}


def refuse_rounding(wanted: float, realised: float) -> None:
    """Raise TrainingError when a perturbation of norm ``wanted`` has another norm in the model's number type."""
    if wanted > 0 and abs(realised / wanted - 1) > TOLERANCE:
        raise TrainingError(
            f"a perturbation of norm {wanted:.3g} is {realised:.3g} after rounding to the model's number type: "
            "give a larger one, or dtype: float32"
        )


def forget_gradient_at(engine: Engine, batch: TextBank, values: Tensors) -> Gradient:
    """The forget gradient at other values of the trained tensors; the weights come back bit for bit.

    Raises TrainingError when the model's number type swallows the perturbation.
    """
    with engine.weights.at(values):
        refuse_rounding(norm(plus(values, engine.weights.master, -1.0)), engine.weights.displacement())
        return engine.forget_gradient(batch)


def forget_gradient_unrestored(engine: Engine, batch: TextBank, added: Tensors) -> tuple[float, Tensors, float]:
    """Loss and gradient with ``added`` on the weights as released code puts it there, and its realised norm.

    It is added and subtracted in the model's number type: a small one is swallowed, and in bfloat16 the weights do not
    come back exactly.
    """
    with engine.weights.shifted(added):
        return *engine.forget_gradient(batch), engine.weights.displacement()
