"""Whether a defence of the forget gradient changes it: its cosine with the plain gradient, taken in some steps.

Where every neighbour of the weights has the plain gradient, training at neighbours is plain training.
"""

from collections.abc import Mapping

import torch

from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.projection import cosine
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import Tensors


def compare(step: Step, name: str, plain: Mapping[str, torch.Tensor] | None, taken: Mapping[str, torch.Tensor]) -> None:
    """Note for the history the cosine of the ``plain`` gradient and the one ``taken`` in its place by ``name``.

    Only in steps that are compared, and not without a plain gradient. ``name`` is one of ``config.effects.COSINES``.
    """
    if step.compares and plain is not None:
        step.measures[f"cosine_{name}"] = cosine(plain, taken)


def plain_gradient(step: Step, engine: Engine, batch: ActivationCache) -> Tensors | None:
    """The plain forget gradient for a defence that takes none itself; in steps that are not compared None.

    It belongs to no training, so it is not counted among what a run costs.
    """
    if not step.compares:
        return None
    with engine.cost.uncounted():
        return engine.forget_gradient(batch)[1]
