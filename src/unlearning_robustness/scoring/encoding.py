"""Texts as token ids, cut and padded on the right."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from unlearning_robustness.errors import ConfigError


def encode(tokenizer, text: str) -> list[int]:
    """Token ids as lm-eval takes them: without further special tokens where the text itself begins with the first one.

    That is the beginning of sequence, or its end for a tokenizer without a beginning (``HFLM.tok_encode``).
    """
    first = getattr(tokenizer, "bos_token", None) or getattr(tokenizer, "eos_token", None)
    special = {"add_special_tokens": False} if first and text.startswith(first) else {}
    return tokenizer.encode(text, **special)


def special_tokens(tokenizer) -> dict[str, bool]:
    """Whether the tokenizer puts a beginning of sequence before every text, and an end of sequence behind it."""
    ids = tokenizer.encode("a")
    ends = {name: getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos")}
    more = len(ids) > 1
    return {"bos": more and ids[0] == ends["bos"], "eos": more and ids[-1] == ends["eos"]}


def encode_texts(tokenizer, texts: Sequence[str], tokens: int, pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (N, T) cut to ``tokens`` and padded on the right, and the mask (N, T) of real tokens."""
    return pad([tokenizer.encode(text)[:tokens] for text in texts], pad_id)


def windows(ids: Sequence[int], tokens: int) -> list[list[int]]:
    """A text's token ids as windows of at most ``tokens`` (at least 2), about as long as each other.

    Each begins with the last token of the one before it, so every token but the text's first is predicted once.
    """
    count = max(1, math.ceil((len(ids) - 1) / (tokens - 1)))
    bounds = [(len(ids) - 1) * number // count for number in range(count + 1)]
    return [list(ids[start : end + 1]) for start, end in pairwise(bounds)]


def left_out(tokenizer, texts: Sequence[str], tokens: int) -> float:
    """The share of all the texts' tokens, 0 to 1, that a cut at ``tokens`` leaves out."""
    lengths = [len(tokenizer.encode(text)) for text in texts]
    return 1 - sum(min(length, tokens) for length in lengths) / sum(lengths)


def cut_line(name: str, tokenizer, texts: Sequence[str], tokens: int) -> str:
    """What a log says of texts that are about to be cut."""
    share = 100 * left_out(tokenizer, texts, tokens)
    return f"{name} cut at {tokens} tokens: {share:.0f} % of their text is left out"


def end_of_text(tokenizer) -> int:
    """The id of the end-of-text token; ConfigError where a tokenizer has none."""
    if tokenizer.eos_token_id is None:
        raise ConfigError("implementation: released pads with the end-of-text token, and this tokenizer has none")
    return tokenizer.eos_token_id


def pad(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids as one tensor (N, T), padded on the right, and the mask (N, T) of real tokens."""
    input_ids = torch.full((len(rows), max(map(len, rows))), pad_id, dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    return input_ids, torch.arange(input_ids.shape[1])[None] < lengths[:, None]
