"""A model of NaNs answers nothing, although an argmax over NaNs is an answer: such scores stop a job."""

from collections.abc import Sequence

import torch

from unlearning_robustness.errors import ScoreError


def need_finite(values: torch.Tensor, names: Sequence[str], what: str = "log-likelihood") -> None:
    """Raise ScoreError that names the first of ``names`` whose value (N,), or row of values (N, ...), is not finite."""
    finite = values.isfinite().flatten(1).all(-1) if values.ndim > 1 else values.isfinite()
    if finite.all():
        return
    first = int(finite.logical_not().nonzero()[0])
    worst = values[first].flatten()
    value = worst[worst.isfinite().logical_not()][0].item()
    raise ScoreError(
        f"{names[first]}: its {what} is {value}: the model's weights or activations are not finite, so lower the "
        "learning rate or the noise that it was changed with"
    )
