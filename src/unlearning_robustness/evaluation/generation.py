"""Greedy continuations of prompts, batched, with Hugging Face's own ``generate`` and its key-value cache."""

from collections.abc import Sequence
from contextlib import contextmanager

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.shared_prefix import keys_and_values, shared_prefix_length
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.packing import longest_input


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
    model,
    tokenizer,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    batch_size: int,
    ends: Sequence[int] = (),
    names: Sequence[str] | None = None,
) -> list[str]:
    """What the model says after each prompt (token ids), at most ``tokens`` tokens, the likeliest one each time.

    An answer ends before the tokenizer's end of sequence and before any of ``ends``. Batches hold prompts of like
    length and are the same for every model; what all prompts of a batch begin with, such as answered questions, is run
    once. MUSE's released code generates one prompt at a time and runs its shots each time, with equal results.

    A prompt that leaves the model no room for ``tokens`` is cut from the left, as lm-eval cuts it, and their number is
    said. Raises DataError where there is no room at all, and ScoreError naming the first prompt, by ``names``, behind
    which the largest logit is not finite.
    """
    names = [f"prompt {number}" for number in range(len(prompts))] if names is None else names
    prompts = _cut(model, prompts, tokens)
    stops = sorted({*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    said = [""] * len(prompts)
    with _greedy(model, tokens, stops):
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            rows = _generated(model, [prompts[index] for index in chosen], [names[index] for index in chosen])
            for index, row in zip(chosen, rows, strict=True):
                end = next((position for position, token in enumerate(row) if token in stops), len(row))
                said[index] = tokenizer.decode(row[:end])
    return said


def _cut(model, prompts: Sequence[Sequence[int]], tokens: int) -> list[Sequence[int]]:
    longest = longest_input(model.config)
    if longest is None:
        return list(prompts)
    room = longest - tokens
    if room < 1:
        raise DataError(
            f"an answer of {tokens} tokens leaves a model of {longest} positions no prompt: lower its tokens"
        )
    if count := sum(len(prompt) > room for prompt in prompts):
        print(
            f"{count} of {len(prompts)} prompts are cut from the left to {room} tokens, as lm-eval cuts them",
            flush=True,
        )
    return [prompt[-room:] for prompt in prompts]


class _NeedNumbers(LogitsProcessor):
    """Stops generation at the first logit that is NaN: the likeliest token among such is no answer."""

    def __init__(self, names: Sequence[str]):
        self.names = names

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        need_finite(scores.max(dim=-1).values, self.names, "largest logit")
        return scores


def _generated(model, prompts: Sequence[Sequence[int]], names: Sequence[str]) -> list[list[int]]:
    """Token ids that follow each prompt of one batch; padding stands between a shared beginning and what follows it."""
    device, width = next(model.parameters()).device, max(map(len, prompts))
    # Padding within a row would push its beginning out of a window that slides.
    window = getattr(model.config, "sliding_window", None)
    slides = window and width + model.generation_config.max_new_tokens > window
    shared = 0 if slides else shared_prefix_length(prompts, width)
    input_ids, mask = (part.to(device) for part in left_pad([prompt[shared:] for prompt in prompts]))
    before = None
    if shared:
        head = torch.tensor(prompts[0][:shared], device=device)
        span = LayerSpan(model, 0, model.config.num_hidden_layers)
        before = keys_and_values(span, head, len(prompts))
        input_ids = torch.cat([head.expand(len(prompts), -1), input_ids], dim=1)
        mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
    numbers = LogitsProcessorList([_NeedNumbers(names)])
    generated = model.generate(input_ids, attention_mask=mask, past_key_values=before, logits_processor=numbers)
    return generated[:, input_ids.shape[1] :].tolist()


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
