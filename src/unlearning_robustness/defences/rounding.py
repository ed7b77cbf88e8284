"""A perturbation that the model's number type cannot hold is refused: what it measures would not be what was asked."""

import torch

from unlearning_robustness.engine.engine import Noise
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.runtime.parallel import total

# A perturbation that rounding to the model's type changes by more than this is refused.
TOLERANCE = 0.05


def refuse_rounding(asked: float, realised: float) -> None:
    """Raise TrainingError when a perturbation of norm ``asked`` has another norm in the model's number type."""
    if asked > 0 and abs(realised / asked - 1) > TOLERANCE:
        raise TrainingError(
            f"a perturbation of norm {asked:.3g} is {realised:.3g} after rounding to the model's number type: "
            "give a larger one, or dtype: float32"
        )


def refuse_rounded_activations(clean: torch.Tensor, noisy: torch.Tensor, dtype: torch.dtype) -> None:
    """The same for what was added to activations (B, T, d), of all processes' rows, and is rounded to ``dtype``."""
    start = clean.detach().float()
    sizes = ((part.detach().float() - start).pow(2).sum() for part in (noisy, noisy.to(dtype)))
    refuse_rounding(*(total(size).sqrt().item() for size in sizes))


def held(noise: Noise, dtype: torch.dtype) -> Noise:
    """``noise``, which raises TrainingError where rounding its result to ``dtype`` swallows it."""

    def checked(hidden: torch.Tensor) -> torch.Tensor:
        noisy = noise(hidden)
        refuse_rounded_activations(hidden, noisy, dtype)
        return noisy

    return checked
