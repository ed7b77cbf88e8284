"""The activation cache: what all cells of a (model, benchmark, method) share, computed once.

Per text: token ids, its topic, the residual stream that enters the first trained layer (nothing below it ever changes),
the reference's residual stream after the read layer, and for likelihood methods the reference's NLL.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import pandas
import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.scoring.encoding import cut_line, encode_texts, end_of_text
from unlearning_robustness.scoring.likelihood import sequence_nll

CACHED = ("forget", "retain", "refusal")


@dataclass(frozen=True)
class ActivationCache:
    """N texts of at most T tokens: ids and mask (N, T), prefix and reference_hidden (N, T, d), the others (N,).

    ``topic`` counts from 0; ``reference_nll`` is the reference's NLL of a text, ``reference_tokens`` its token count.
    """

    input_ids: torch.Tensor
    mask: torch.Tensor
    prefix: torch.Tensor
    reference_hidden: torch.Tensor
    reference_nll: torch.Tensor
    reference_tokens: torch.Tensor
    topic: torch.Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def rows(self, chosen: slice) -> "ActivationCache":
        """The texts in a slice of rows, untrimmed."""
        return self._each(lambda tensor: tensor[chosen])

    def to(self, device: torch.device | str) -> "ActivationCache":
        """The cache on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "ActivationCache":
        return ActivationCache(**{field.name: change(getattr(self, field.name)) for field in fields(self)})

    def batch(self, indices: torch.Tensor, device: str = "cpu") -> "ActivationCache":
        """The texts at ``indices``, cut to the longest of them."""
        width = int(self.mask[indices].sum(-1).max())
        picked = self._each(lambda tensor: tensor[indices])
        return picked._each(lambda tensor: tensor[:, :width] if tensor.ndim > 1 else tensor).to(device)


@torch.no_grad()
def compute_activations(
    model,
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    first_layer: int,
    read_layer: int,
    likelihood: bool,
    batch_size: int = 16,
    topic: torch.Tensor | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> ActivationCache:
    """Run the reference over the texts; with ``likelihood`` through all layers for the NLL, else the NLL is zero.

    Without a ``topic`` (N,) all texts are of one.
    """
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
            nll, tokens = sequence_nll(logits_of(model, above(hidden=hidden, attention_mask=real)), ids, real)
        parts.append([tensor.cpu() for tensor in (ids, real, prefix, hidden, nll, tokens)])
        if on_batch:
            on_batch(start + len(ids))
    computed = [torch.cat(column) for column in zip(*parts, strict=True)]
    return ActivationCache(*computed, torch.zeros(len(input_ids), dtype=torch.long) if topic is None else topic)


def cache_corpora(model, tokenizer, corpora: pandas.DataFrame, settings: dict) -> dict[str, ActivationCache]:
    """The activation caches of the corpora forget, retain and refusal of a table (columns corpus, text, topic).

    ``settings`` are those of ``config.activation_caches``. Says how much of the texts is cut.
    """
    released, caches = settings["implementation"] == "released", {}
    padding = end_of_text(tokenizer) if released else 0
    for corpus in CACHED:
        rows = corpora[corpora["corpus"] == corpus]
        texts = list(rows["text"])
        print(cut_line(f"{corpus} texts", tokenizer, texts, settings["tokens"]), flush=True)
        input_ids, mask = encode_texts(tokenizer, texts, settings["tokens"], padding)
        caches[corpus] = compute_activations(
            model, input_ids, mask, settings["first_layer"], settings["read_layer"],
            # Released code has the reference read a text with its batch's padding, so nothing can be kept.
            likelihood=settings["likelihood"] and corpus != "retain" and not released,
            topic=torch.tensor(list(rows["topic"])),
            on_batch=Progress(f"{corpus} texts", len(texts)),
        )  # fmt: skip
    return caches


def save_caches(path: str | Path, caches: dict[str, ActivationCache]) -> None:
    """Write the activation caches of several corpora into one safetensors file."""
    tensors = {f"{corpus}.{name}": tensor for corpus, cache in caches.items() for name, tensor in vars(cache).items()}
    with atomic(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def load_caches(path: str | Path) -> dict[str, ActivationCache]:
    """The inverse of :func:`save_caches`."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        corpus, name = key.rsplit(".", 1)
        parts.setdefault(corpus, {})[name] = tensor
    return {corpus: ActivationCache(**tensors) for corpus, tensors in parts.items()}
