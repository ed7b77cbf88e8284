"""The engine: runs only the layers that a loss reads, from the first layer that is trained.

The loss and its gradient are those of the full model: nothing below the first trained layer moves and nothing
above the read layer is read. The reference needs no second model: it is this one with the original tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.weights import Tensors, TrainedWeights
from unlearning_robustness.methods.loss_inputs import LossInputs
from unlearning_robustness.methods.method import Method
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.checkpointing import checkpointed
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of

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


def loss_mask(mask: torch.Tensor, implementation: str, reads: str) -> torch.Tensor:
    """The positions that count in a loss, bool (B, T), from the mask (B, T) of real tokens.

    ``corrected``: no padding, and for losses on activations not the attention sink (the first token, whose
    norm is several times that of any other). ``released``: every position, as in the released RMU code.
    """
    if implementation == "released":
        return torch.ones_like(mask)
    counted = mask.clone()
    if reads == "hidden":
        counted[:, 0] = False
    return counted


class Engine:
    """A model that one method trains.

    ``weights`` are the trained tensors; ``direction`` (d,) is the method's fixed vector, or None; ``refusal`` are texts
    that decline to answer, for methods that prefer them. With ``checkpointing`` layers run again for the backward pass.
    """

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
        first, read, depth = min(method.layers), method.read_layer, model.config.num_hidden_layers
        self.to_read_layer = LayerSpan(model, first, read + 1)
        self.from_read_layer = LayerSpan(model, read + 1, depth)

    def _read(self, batch: ActivationCache, entering: Noise | None, leaving: Noise | None) -> dict[str, torch.Tensor]:
        self.cost.forward(int(batch.mask.sum()))
        with backward_attention(self.device), checkpointed(self.model, self.checkpointing):
            hidden = entering(batch.prefix).to(self.dtype) if entering else batch.prefix
            hidden = self.to_read_layer(hidden=hidden, attention_mask=batch.mask)
            hidden = leaving(hidden).to(self.dtype) if leaving else hidden
            if self.method.reads == "hidden":
                return {"hidden": hidden}
            return {"logits": logits_of(self.model, self.from_read_layer(hidden=hidden, attention_mask=batch.mask))}

    @torch.no_grad()
    def _reference(self, batch: ActivationCache, noise: Noise | None) -> dict[str, torch.Tensor]:
        if not self.method.retain_loss.needs_reference:
            return {}
        hidden = batch.reference_hidden if noise is None else noise(batch.reference_hidden)
        if self.method.reads == "hidden":
            return {"reference_hidden": hidden}
        self.cost.forward(int(batch.mask.sum()))
        with self.weights.reference():
            above = self.from_read_layer(hidden=hidden.to(self.dtype), attention_mask=batch.mask)
            return {"reference_logits": logits_of(self.model, above)}

    def _mask(self, batch: ActivationCache) -> torch.Tensor:
        return loss_mask(batch.mask, self.method.implementation, self.method.reads)

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
        inputs = LossInputs(input_ids=batch.input_ids, mask=self._mask(batch), **reference, **trained)
        return self.method.retain_weight * self.method.retain_loss(inputs)

    def forget_gradient(self, batch: ActivationCache, **disturbed: Noise) -> tuple[float, Tensors]:
        """The forget loss and its gradient; ``disturbed`` as in :meth:`forget_loss`."""
        loss = self.forget_loss(batch, **disturbed)
        return loss.item(), self.weights.gradient(loss)

    def retain_gradient(self, batch: ActivationCache, noise: RetainNoise = CLEAN) -> tuple[float, Tensors]:
        """The weighted retain loss and its gradient: with a weight of 0 nothing runs and both are 0."""
        if self.method.retain_weight == 0:
            return 0.0, {name: torch.zeros_like(tensor) for name, tensor in self.weights.master.items()}
        loss = self.retain_loss(batch, noise)
        return loss.item(), self.weights.gradient(loss)
