"""Greedy continuations of prompts, batched, with Hugging Face's own ``generate`` and its key-value cache."""

from collections.abc import Sequence
from contextlib import contextmanager

import torch
from transformers import GenerationConfig


def left_pad(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids as one tensor (N, T), padded on the left, and the mask (N, T) of real tokens."""
    width = max(map(len, rows))
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, width - len(row) :] = torch.tensor(row)
        mask[index, width - len(row) :] = 1
    return input_ids, mask


def tokens_with(tokenizer, text: str) -> list[int]:
    """Ids of every token of the vocabulary in which ``text`` stands, such as the end of a line."""
    return [index for index in range(len(tokenizer)) if text in tokenizer.decode([index])]


@torch.no_grad()
def continuations(
    model, tokenizer, prompts: Sequence[Sequence[int]], tokens: int, batch_size: int, ends: Sequence[int] = ()
) -> list[str]:
    """What the model says after each prompt (token ids), at most ``tokens`` tokens, the likeliest one each time.

    An answer ends before the tokenizer's end of sequence and before any of ``ends``. Batches hold prompts of like
    length and are the same for every model. MUSE's released code generates one prompt at a time, with equal results.
    """
    stops = sorted({*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    device, said = next(model.parameters()).device, [""] * len(prompts)
    with _greedy(model, tokens, stops):
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            input_ids, mask = (part.to(device) for part in left_pad([prompts[index] for index in chosen]))
            generated = model.generate(input_ids, attention_mask=mask)[:, input_ids.shape[1] :].tolist()
            for index, row in zip(chosen, generated, strict=True):
                end = next((place for place, token in enumerate(row) if token in stops), len(row))
                said[index] = tokenizer.decode(row[:end])
    return said


@contextmanager
def _greedy(model, tokens: int, stops: list[int]):
    """The model with a generation config of ours alone: its own may ask for sampling or penalties."""
    before = model.generation_config
    model.generation_config = GenerationConfig(
        do_sample=False, num_beams=1, use_cache=True, max_new_tokens=tokens, pad_token_id=0, eos_token_id=stops or None
    )
    try:
        yield
    finally:
        model.generation_config = before
