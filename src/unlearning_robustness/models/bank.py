"""The bank: what is the same for every cell of a (model, benchmark, method), computed once and kept on disk.

Per text: token ids, the residual stream that enters the first trained layer (nothing below it ever changes),
the reference's residual stream after the read layer, and for likelihood methods the reference's NLL.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.manifest import atomic
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.likelihood import sequence_nll


def encode_texts(tokenizer, texts: Sequence[str], tokens: int, pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (N, T) cut to ``tokens`` and padded on the right, and the mask (N, T) of real tokens."""
    return pad([tokenizer.encode(text)[:tokens] for text in texts], pad_id)


def left_out(tokenizer, texts: Sequence[str], tokens: int) -> float:
    """The share of all the texts' tokens, 0 to 1, that a cut at ``tokens`` leaves out."""
    lengths = [len(tokenizer.encode(text)) for text in texts]
    return 1 - sum(min(length, tokens) for length in lengths) / sum(lengths)


def cut_line(name: str, tokenizer, texts: Sequence[str], tokens: int) -> str:
    """What a log says of texts that are about to be cut."""
    share = 100 * left_out(tokenizer, texts, tokens)
    return f"{name} cut at {tokens} tokens: {share:.0f} % of their text is left out"


def pad(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids as one tensor (N, T), padded on the right, and the mask (N, T) of real tokens."""
    input_ids = torch.full((len(rows), max(map(len, rows))), pad_id, dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    return input_ids, torch.arange(input_ids.shape[1])[None] < lengths[:, None]


@dataclass(frozen=True)
class TextBank:
    """N texts of at most T tokens: ids and mask (N, T), prefix and reference_hidden (N, T, d), NLL and count (N,)."""

    input_ids: torch.Tensor
    mask: torch.Tensor
    prefix: torch.Tensor
    reference_hidden: torch.Tensor
    reference_nll: torch.Tensor
    reference_tokens: torch.Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def rows(self, chosen: slice) -> "TextBank":
        """Some of the texts, as long as they are."""
        return self._each(lambda tensor: tensor[chosen])

    def to(self, device: torch.device | str) -> "TextBank":
        """The same on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "TextBank":
        return TextBank(**{field.name: change(getattr(self, field.name)) for field in fields(self)})

    def batch(self, indices: torch.Tensor, device: str = "cpu", trim: bool = True) -> "TextBank":
        """The texts at ``indices``, cut to the longest of them when ``trim``."""
        width = int(self.mask[indices].sum(-1).max()) if trim else self.mask.shape[1]
        picked = self._each(lambda tensor: tensor[indices])
        return picked._each(lambda tensor: tensor[:, :width] if tensor.ndim > 1 else tensor).to(device)


@torch.no_grad()
def fill(
    model,
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    first_layer: int,
    read_layer: int,
    likelihood: bool,
    batch_size: int = 16,
    count_padding: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> TextBank:
    """Run the reference over the texts. With ``likelihood`` the full depth is run for the NLL, else it is zero."""
    depth = model.config.num_hidden_layers
    below, between = LayerSpan(model, 0, first_layer), LayerSpan(model, first_layer, read_layer + 1)
    above = LayerSpan(model, read_layer + 1, depth)
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(input_ids), batch_size):
        ids, real = input_ids[start : start + batch_size].to(device), mask[start : start + batch_size].to(device)
        prefix = below(input_ids=ids, attention_mask=real)
        hidden = between(hidden=prefix, attention_mask=real)
        nll = tokens = torch.zeros(len(ids))
        if likelihood:
            counted = torch.ones_like(real) if count_padding else real
            nll, tokens = sequence_nll(logits_of(model, above(hidden=hidden, attention_mask=real)), ids, counted)
        parts.append([tensor.cpu() for tensor in (ids, real, prefix, hidden, nll, tokens)])
        if on_batch:
            on_batch(start + len(ids))
    return TextBank(*(torch.cat(column) for column in zip(*parts, strict=True)))


def save_bank(path: str | Path, banks: dict[str, TextBank]) -> None:
    """Write the banks of several corpora into one safetensors file."""
    tensors = {f"{corpus}.{name}": tensor for corpus, bank in banks.items() for name, tensor in vars(bank).items()}
    with atomic(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def load_bank(path: str | Path) -> dict[str, TextBank]:
    """The inverse of :func:`save_bank`."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        corpus, name = key.rsplit(".", 1)
        parts.setdefault(corpus, {})[name] = tensor
    return {corpus: TextBank(**tensors) for corpus, tensors in parts.items()}
