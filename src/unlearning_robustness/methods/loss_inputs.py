"""What a loss may read of one batch, and the means over positions that losses share."""

from dataclasses import dataclass

import torch
from torch.nn.functional import mse_loss

from unlearning_robustness.runtime.parallel import count, size, total


@dataclass(frozen=True)
class LossInputs:
    """One batch as a loss sees it. B sequences, T positions, width d, vocabulary V.

    ``mask`` (B, T) is True on positions that count. ``hidden`` (B, T, d) is the residual stream after the
    read layer, or ``logits`` (B, T, V) the output, of the model in training; only what the loss reads is
    there. ``reference_*`` is the same of the frozen reference; ``reference_nll`` and ``reference_tokens``
    (B,) are the summed NLL and the token count of each sequence under it. ``direction`` (d,) is the
    method's fixed vector. ``refusal`` is the same of texts that decline to answer. ``released``: compute as released
    code does, over every position and in its number types.
    """

    input_ids: torch.Tensor
    mask: torch.Tensor
    hidden: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    reference_hidden: torch.Tensor | None = None
    reference_logits: torch.Tensor | None = None
    reference_nll: torch.Tensor | None = None
    reference_tokens: torch.Tensor | None = None
    direction: torch.Tensor | None = None
    refusal: "LossInputs | None" = None
    released: bool = False

    def precise(self, hidden: torch.Tensor) -> torch.Tensor:
        """Activations in float32; released code computes in their own number type."""
        return hidden if self.released else hidden.float()


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of ``values`` (B, T) over the positions where ``mask`` (B, T) is True, of all processes' rows."""
    weight = mask.to(values.dtype)
    return total((values * weight).sum()) / total(weight.sum())


def batch_mean(values: torch.Tensor) -> torch.Tensor:
    """Mean of ``values`` (B,) over the texts of all processes; a scalar is the whole batch's already."""
    return values if values.ndim == 0 else total(values.sum()) / count(len(values))


def mean_of_processes(own: torch.Tensor, texts: int) -> torch.Tensor:
    """The mean over the texts of all processes, all equally long, of each process's ``own`` mean over its ``texts``."""
    return own if size() == 1 else total(own.float() * texts) / count(texts)


def masked_mse(hidden: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over counted positions and dimensions of (hidden - target)^2, in float32.

    ``target`` is (B, T, d) or (d,).
    """
    return masked_mean((hidden.float() - target.float()).pow(2).mean(-1), mask)


def activation_mse(inputs: LossInputs, target: torch.Tensor) -> torch.Tensor:
    """Mean of (hidden - target)^2 over counted positions and dimensions; ``target`` is (B, T, d) or (d,).

    Released code takes it over all positions, padding too, in the activations' number type.
    """
    if inputs.released:
        own = mse_loss(inputs.hidden, target.to(inputs.hidden).expand_as(inputs.hidden))
        return mean_of_processes(own, len(inputs.hidden))
    return masked_mse(inputs.hidden, target, inputs.mask)


def relative_coefficient(coefficient: float, direction: torch.Tensor, activation_norm: float) -> dict[str, float]:
    """What a manifest says of a method that moves activations by ``coefficient`` times a direction (d,).

    Relative to the mean norm of the reference's forget activations it carries over between models.
    """
    return {"relative_coefficient": coefficient * direction.norm().item() / activation_norm}


def unit_vector(width: int, law: str, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A random unit vector (d,): ``uniform`` on [0, 1) as in RMU (all entries positive), or ``gaussian`` as in RSV."""
    draw = {"uniform": torch.rand, "gaussian": torch.randn}[law]
    vector = draw(width, generator=generator).to(dtype)
    return vector / vector.norm()
