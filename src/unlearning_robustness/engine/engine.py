"""The engine: runs only the layers that a loss reads, from the first layer that is trained.

The loss and its gradient are those of the full model: nothing below the first trained layer moves and nothing
above the read layer is read. The reference needs no second model: it is this one with the original tensors.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.optimisers import adamw
from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.method import Method
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.checkpointing import checkpointed
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of
from unlearning_robustness.runtime import parallel

Noise = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class RetainNoise:
    """Noise in the retain loss; each field maps activations (B, T, d) to noisy ones.

    ``reference``: in the frozen reference, after the read layer. ``entering``: in the model in training, before its
    first trained layer. ``leaving``: in the model in training, after the read layer.
    """

    reference: Noise | None = None
    entering: Noise | None = None
    leaving: Noise | None = None


CLEAN = RetainNoise()


def loss_mask(mask: torch.Tensor, reads: str) -> torch.Tensor:
    """The positions that count in a loss, bool (B, T), from the mask (B, T) of real tokens.

    Padding does not, and in losses on activations neither does the attention sink: the first token, whose norm is
    several times that of any other.
    """
    counted = mask.clone()
    if reads == "hidden":
        # The first real token, on whichever side the padding is.
        counted.scatter_(1, mask.int().argmax(-1, keepdim=True), False)
    return counted


class Engine:
    """A model that one method trains.

    ``weights`` are the trained tensors; ``direction`` (d,) is the method's fixed vector, or None; ``refusal`` are texts
    that decline to answer, for methods that prefer them. With ``checkpointing`` layers run again for the backward pass.
    ``memory`` is what it keeps from step to step, saved with the run; ``adamw`` makes its optimiser.
    """

    adamw = staticmethod(adamw)
    released = False

    def __init__(
        self,
        model,
        method: Method,
        weights: TrainedWeights,
        direction: torch.Tensor | None = None,
        refusal: ActivationCache | None = None,
        checkpointing: bool = False,
    ):
        self.model, self.method, self.weights, self.cost = model, method, weights, weights.cost
        self.checkpointing = checkpointing
        beginning = next(layer_modules(model)[min(method.layers)].parameters())
        self.device, self.dtype = beginning.device, beginning.dtype
        self.direction = None if direction is None else direction.to(self.device)
        self.refusal = None if refusal is None else refusal.batch(torch.arange(len(refusal)), str(self.device))
        self.memory: Tensors = {}
        first, read, depth = min(method.layers), method.read_layer, model.config.num_hidden_layers
        self.to_first_layer = LayerSpan(model, 0, first)
        self.to_read_layer = LayerSpan(model, first, read + 1)
        self.from_read_layer = LayerSpan(model, read + 1, depth)
        embedding = model.get_input_embeddings().weight
        self.trains_embedding = any(tensor is embedding for tensor in weights.live.values())

    @property
    def retain_weight(self) -> float:
        """The factor of the retain loss."""
        return self.method.retain_weight

    def begin(self, step: int) -> None:
        """Begin the step of this number, from 0."""

    def batch(self, corpus: str, cache: ActivationCache, indices: torch.Tensor) -> ActivationCache:
        """Texts at ``indices`` of a corpus, "forget" or "retain": this process's share of them."""
        batch = cache.batch(indices)
        return batch.rows(parallel.rows(len(batch))).to(self.device)

    def _attention(self, batch: ActivationCache) -> Tensors:
        """Mask and positions with which the model in training reads a batch, as spans take them."""
        return {"attention_mask": batch.mask}

    def _reference_attention(self, batch: ActivationCache) -> Tensors:
        """Mask and positions with which the reference reads a batch."""
        return self._attention(batch)

    def _attention_kernel(self) -> AbstractContextManager:
        return backward_attention(self.device)

    def _entering(self, batch: ActivationCache) -> torch.Tensor:
        """What enters the first trained layer: cached, unless the embedding below it is trained too."""
        if not self.trains_embedding:
            return batch.prefix
        return self.to_first_layer(input_ids=batch.input_ids, **self._attention(batch))

    def _read(self, batch: ActivationCache, entering: Noise | None, leaving: Noise | None) -> dict[str, torch.Tensor]:
        self.cost.forward(int(batch.mask.sum()))
        with self._attention_kernel(), checkpointed(self.model, self.checkpointing):
            hidden, attention = self._entering(batch), self._attention(batch)
            hidden = entering(hidden).to(self.dtype) if entering else hidden
            hidden = self.to_read_layer(hidden=hidden, **attention)
            hidden = leaving(hidden).to(self.dtype) if leaving else hidden
            if self.method.reads == "hidden":
                return {"hidden": hidden}
            return {"logits": logits_of(self.model, self.from_read_layer(hidden=hidden, **attention))}

    @torch.no_grad()
    def _reference(self, batch: ActivationCache, noise: Noise | None) -> dict[str, torch.Tensor]:
        if not self.method.retain_loss.needs_reference:
            return {}
        hidden = batch.reference_hidden if noise is None else noise(batch.reference_hidden)
        if self.method.reads == "hidden":
            return {"reference_hidden": hidden}
        self.cost.forward(int(batch.mask.sum()))
        with self.weights.reference():
            above = self.from_read_layer(hidden=hidden.to(self.dtype), **self._reference_attention(batch))
            return {"reference_logits": logits_of(self.model, above)}

    def _mask(self, batch: ActivationCache) -> torch.Tensor:
        return loss_mask(batch.mask, self.method.reads)

    def _forget_inputs(
        self,
        batch: ActivationCache,
        refusal: LossInputs | None = None,
        entering: Noise | None = None,
        leaving: Noise | None = None,
    ) -> LossInputs:
        return LossInputs(
            input_ids=batch.input_ids,
            mask=self._mask(batch),
            reference_hidden=batch.reference_hidden,
            reference_nll=batch.reference_nll,
            reference_tokens=batch.reference_tokens,
            direction=self.direction,
            refusal=refusal,
            released=self.released,
            **self._read(batch, entering, leaving),
        )

    def forget_loss(
        self, batch: ActivationCache, entering: Noise | None = None, leaving: Noise | None = None
    ) -> torch.Tensor:
        """The forget loss at the present weights, a scalar.

        ``entering`` and ``leaving`` disturb the model in training as in ``RetainNoise``, on the forget text alone.
        """
        refusal = None if self.refusal is None else self._forget_inputs(self.refusal)
        return self.method.forget_loss(self._forget_inputs(batch, refusal, entering, leaving))

    def retain_loss(self, batch: ActivationCache, noise: RetainNoise = CLEAN) -> torch.Tensor:
        """The retain weight times the retain loss, a scalar, under ``noise``."""
        reference, trained = self._reference(batch, noise.reference), self._read(batch, noise.entering, noise.leaving)
        inputs = LossInputs(
            input_ids=batch.input_ids, mask=self._mask(batch), released=self.released, **reference, **trained
        )
        return self.retain_weight * self.method.retain_loss(inputs)

    def forget_gradient(self, batch: ActivationCache, **disturbed: Noise) -> tuple[float, Tensors]:
        """The forget loss and its gradient; ``disturbed`` as in :meth:`forget_loss`."""
        loss = self.forget_loss(batch, **disturbed)
        return loss.item(), self.weights.gradient(loss)

    def retain_gradient(self, batch: ActivationCache, noise: RetainNoise = CLEAN) -> tuple[float, Tensors]:
        """The weighted retain loss and its gradient: with a weight of 0 nothing runs and both are 0."""
        if self.retain_weight == 0:
            return 0.0, {name: torch.zeros_like(tensor) for name, tensor in self.weights.master.items()}
        loss = self.retain_loss(batch, noise)
        return loss.item(), self.weights.gradient(loss)
