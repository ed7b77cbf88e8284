"""The losses of a step as RNA's code computes them (huutiendang/llmu-robustness; RMU's and Adaptive RMU's are alike).

Texts are padded on the left with the end-of-text token to the longest of their batch, and every position counts.
Topics take steps in turn; each has its steering vector, its retain weight and its lengths. Nothing of a batch is
cached, as what a text reads depends on the padding before it.
"""

from contextlib import AbstractContextManager, nullcontext

import torch

from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine, Noise
from unlearning_robustness.engine.optimisers import TransformersAdamW
from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.methods.method import Method
from unlearning_robustness.models.slicing import logits_of
from unlearning_robustness.runtime import parallel
from unlearning_robustness.scoring.likelihood import sequence_nll


def padded_left(input_ids: torch.Tensor, mask: torch.Tensor, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (B, T) of texts padded on the right, cut to ``tokens`` and padded on the left to the longest.

    The longest is that of the whole batch, of which each process may hold some rows.
    """
    lengths = mask.sum(-1).clamp(max=tokens)
    width = parallel.largest(int(lengths.max()))
    columns = torch.arange(width, device=mask.device)[None] - (width - lengths)[:, None]
    # The first column behind a text holds padding; the longest text, which may be cut there, needs none.
    behind = lengths[:, None].clamp(max=input_ids.shape[1] - 1)
    return input_ids.gather(1, torch.where(columns >= 0, columns, behind)), columns >= 0


def attention_of(mask: torch.Tensor) -> Tensors:
    """Mask and positions of texts padded on the left, as transformers had them at the time, on a GPU.

    A position sees the real tokens up to itself. Padding sees none of those, and then every position of its text.
    Positions count from the first column, whatever stands there. Without padding there is no mask.
    """
    if mask.all():
        return {}
    positions = torch.arange(mask.shape[1], device=mask.device)
    seen = (positions <= positions[:, None]) & mask[:, None, :]
    allowed = (seen | ~seen.any(-1, keepdim=True))[:, None]
    return {"attention_mask": allowed, "position_ids": positions.expand(len(mask), -1)}


class ReleasedEngine(Engine):
    """An engine whose steps belong to one topic each; ``directions`` (K, d) are the topics' vectors, or None.

    ``topic`` is that of the present step. Likelihood methods run the reference without an attention mask, so that it
    reads padding as text; methods on activations give both models the same mask.
    """

    adamw = TransformersAdamW
    released = True

    def __init__(
        self,
        model,
        method: Method,
        weights: TrainedWeights,
        directions: torch.Tensor | None,
        refusal: ActivationCache | None = None,
        checkpointing: bool = False,
    ):
        super().__init__(model, method, weights, directions, None, checkpointing)
        self.units, self.step, self.topic = self.direction, 0, 0
        if self.units is not None:
            self.memory["directions"] = self.units.clone()
        if refusal is not None:
            self.refusal = self._computed(refusal.input_ids, refusal.mask, refusal.mask.shape[1], likelihood=True)

    @property
    def retain_weight(self) -> float:
        """The present topic's factor of the retain loss."""
        return self.method.topics[self.topic]["retain_weight"]

    def begin(self, step: int) -> None:
        """Begin the step of this number, from 0, of the topic whose turn it is."""
        self.step, self.topic = step, step % len(self.method.topics)
        if self.units is not None:
            self.direction = self.memory["directions"][self.topic]

    def batch(self, corpus: str, cache: ActivationCache, indices: torch.Tensor) -> ActivationCache:
        """The texts at ``indices`` that are this process's share, with all that the losses read, computed now."""
        forget, limits = corpus == "forget", self.method.topics[self.topic]
        tokens, own = limits["tokens" if forget else "retain_tokens"], indices[parallel.rows(len(indices))]
        batch = self._computed(cache.input_ids[own], cache.mask[own], tokens, likelihood=forget)
        if forget:
            self._measure(batch)
        return batch

    @torch.no_grad()
    def _computed(self, input_ids: torch.Tensor, mask: torch.Tensor, tokens: int, likelihood: bool) -> ActivationCache:
        ids, real = (part.to(self.device) for part in padded_left(input_ids, mask, tokens))
        self.cost.forward(int(real.sum()))
        nothing = torch.zeros(len(ids), device=self.device)
        batch = ActivationCache(ids, real, nothing, nothing, nothing, nothing, nothing)
        with self.weights.reference():
            attention = self._reference_attention(batch)
            hidden = self.to_first_layer(input_ids=ids, **attention)
            hidden = self.to_read_layer(hidden=hidden, **attention)
            nll = predicted = nothing
            if likelihood and self.method.reads == "logits":
                logits = logits_of(self.model, self.from_read_layer(hidden=hidden, **attention))
                nll, predicted = sequence_nll(logits, ids, torch.ones_like(real))
        prefix = self.to_first_layer(input_ids=ids, **self._attention(batch))
        return ActivationCache(ids, real, prefix, hidden, nll, predicted, nothing)

    def _measure(self, batch: ActivationCache) -> None:
        """Let a method whose vector follows the activations measure them, in the first step of each topic.

        The code does so in its first two steps: a single topic's vector is measured twice.
        """
        scaled = getattr(self.method.forget_loss, "scaled", None)
        if scaled and self.step < max(2, len(self.method.topics)):
            with torch.no_grad():
                norms = self._read(batch, None, None)["hidden"].norm(dim=-1)
            # Texts are equally long here, so each process counts by its number of texts.
            mean_norm = parallel.count(norms.mean().item() * len(norms)) / parallel.count(len(norms))
            self.memory["directions"][self.topic] = scaled(self.units[self.topic], mean_norm)

    def _attention(self, batch: ActivationCache) -> Tensors:
        return attention_of(batch.mask)

    def _reference_attention(self, batch: ActivationCache) -> Tensors:
        return {} if self.method.reads == "logits" else attention_of(batch.mask)

    def _attention_kernel(self) -> AbstractContextManager:
        # In bfloat16 another kernel moves the weights by several percent more or less.
        return nullcontext()

    def _reference(self, batch: ActivationCache, noise: Noise | None) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self.dtype) if name == "reference_hidden" else tensor
                for name, tensor in super()._reference(batch, noise).items()}  # fmt: skip

    def _mask(self, batch: ActivationCache) -> torch.Tensor:
        return torch.ones_like(batch.mask)
