"""Run the prefix that all texts of a batch share once; every text attends to its keys and values."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from unlearning_robustness.models.slicing import LayerSpan

# A prefix runs on its own when that saves this share of a batch's tokens: it is one more pass through all layers.
WORTH = 0.1


def shared_prefix_length(prompts: Sequence[Sequence[int]], width: int) -> int:
    """How many ids to run once for a batch whose rows have ``width`` positions: those that all prompts begin with, or
    0 when it saves too little.

    The last id of a prompt predicts, so it is never among them.
    """
    shortest = min(map(len, prompts))
    return worth_sharing(shared_by(min(prompts), max(prompts), shortest), shortest, width, len(prompts))


def shared_by(first: Sequence[int], second: Sequence[int], most: int) -> int:
    """How many ids, at most so many, two texts begin with alike."""
    if first[:most] == second[:most]:
        return min(most, len(first), len(second))
    return next(count for count, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)


def worth_sharing(shared: int, shortest: int, width: int, rows: int) -> int:
    """How many of ``shared`` ids to run once for ``rows`` texts of ``width`` positions; 0 where that saves too little.

    The last id of the shortest prompt predicts, so it is never among them.
    """
    count = min(shared, shortest - 1)
    return count if count * (rows - 1) >= WORTH * width * rows else 0


@torch.no_grad()
def keys_and_values(span: LayerSpan, head: torch.Tensor, rows: int = 1) -> DynamicCache:
    """The cache of ``head`` (H,) token ids, computed once, for a batch of ``rows``; ``span`` starts at layer 0.

    It is empty where H is 0. Layers whose window slides keep every key, as the masks of packed questions expect.
    """
    cache = DynamicCache()
    if len(head):
        span(input_ids=head[None], past_key_values=cache)
        cache.batch_repeat_interleave(rows)
    return cache
