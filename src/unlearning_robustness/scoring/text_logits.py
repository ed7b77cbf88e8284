"""A model's logits over whole texts, in float32 whatever it computes in."""

from collections.abc import Callable, Sequence

import torch

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.float32_head import with_float32_head
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.packing import longest_input


def float32_logits(model) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A function of token ids and the mask of real tokens (B, T) that gives float32 logits (B, T, V)."""
    span, precise = LayerSpan(model, 0, model.config.num_hidden_layers), with_float32_head(model)

    def logits(input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return logits_of(precise, span(input_ids=input_ids, attention_mask=mask))

    return logits


def need_scorable(model, lengths: Sequence[int], names: Sequence[str], key: str) -> None:
    """Raise DataError for a text of one token, which predicts nothing, and for one beyond the model's positions.

    ``key`` is the setting that says where texts are cut.
    """
    longest = longest_input(model.config)
    for length, name in zip(lengths, names, strict=True):
        if length < 2:
            raise DataError(
                f"{name}: it has {length} token, and the first predicts nothing: lengthen it or raise {key}"
            )
        if longest is not None and length > longest:
            raise DataError(f"{name}: it has {length} tokens, the model {longest} positions: lower {key}")
