"""The attention kernel of a family, and masks between pairs of positions as each kind of its layers needs them."""

import torch
from torch import nn

from unlearning_robustness.models.architecture import ArchitectureError

FULL, SLIDING = "full_attention", "sliding_attention"


def kernel_of(config) -> str:
    """Transformers' name of the attention that computes what a config's family defines.

    That is the fused one, or the plain one where scores are capped (Gemma 2) or joined by sinks (gpt-oss).
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    return "sdpa" if MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]._supports_sdpa else "eager"


def masks_by_kind(decoder: nn.Module, mask: torch.Tensor, position_ids: torch.Tensor):
    """What a decoder takes for ``mask`` (B, 1, T, H + T), True where attention is allowed.

    The first H keys are cached and stand at positions 0 to H - 1, the others at ``position_ids`` (B, T). Layers whose
    window slides see the positions within it. A decoder whose layers are of several kinds takes a mask for each kind.
    Raises ArchitectureError for a kind that is neither full nor sliding.
    """
    config = decoder.config
    kinds, window = getattr(config, "layer_types", None), getattr(config, "sliding_window", None)
    if kinds is None:
        return _for_kernel(decoder, within(mask, position_ids, window) if window else mask)
    masks = {kind: within(mask, position_ids, window) if kind == SLIDING else mask for kind in set(kinds)}
    if other := masks.keys() - {FULL, SLIDING}:
        raise ArchitectureError(f"no mask between positions is known for layers of {sorted(other)[0]}")
    return {kind: _for_kernel(decoder, mask) for kind, mask in masks.items()}


def within(mask: torch.Tensor, position_ids: torch.Tensor, window: int) -> torch.Tensor:
    """The part of a mask (B, 1, T, H + T) whose keys stand less than ``window`` positions before their query."""
    cached = torch.arange(mask.shape[-1] - mask.shape[-2], device=mask.device).expand(len(position_ids), -1)
    keys = torch.cat([cached, position_ids], dim=1)
    return mask & (position_ids[:, None, :, None] - keys[:, None, None, :] < window)


def _for_kernel(decoder: nn.Module, mask: torch.Tensor) -> torch.Tensor:
    """The mask as it is, or, for plain attention that adds it, zero where allowed and the lowest number elsewhere."""
    if decoder.config._attn_implementation != "eager":
        return mask
    dtype = decoder.get_input_embeddings().weight.dtype
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
