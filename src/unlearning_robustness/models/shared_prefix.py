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
    first, last = min(prompts), max(prompts)
    most, count = min(map(len, prompts)) - 1, 0
    while count < most and first[count] == last[count]:
        count += 1
    return count if count * (len(prompts) - 1) >= WORTH * width * len(prompts) else 0


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
