"""Whole runs of unlearning, one text after another in float64 through the whole model: nothing padded, nothing kept."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from independent.losses import Reading, forget_loss, mean_length, retain_loss
from independent.neighbourhoods import Weights, gradient, plain
from independent.optimisers import adamw, clipped
from torch import Tensor
from torch.func import functional_call


@dataclass
class Corrected:
    """A model and its frozen copy; ``texts`` are lists of token ids of the corpora forget, retain and refusal.

    ``entry`` has forget_loss, parameters, retain_loss, retain_weight, read_layer and learning_rate. ``noise`` maps the
    frozen model's activations at the read layer of a batch of retain texts, padded to (B, T, d), to noisy ones.
    """

    model: object
    entry: dict
    texts: dict[str, list[list[int]]]
    names: list[str]
    vector: Tensor | None = None
    noise: Callable[[Tensor], Tensor] | None = None
    frozen: object = field(init=False)

    def __post_init__(self):
        self.model = copy.deepcopy(self.model).double()
        self.model.config._attn_implementation = "eager"
        self.frozen = copy.deepcopy(self.model)
        self.weights = {name: self.model.get_parameter(name).detach().clone() for name in self.names}
        self.start = dict(self.weights)
        self.vector = None if self.vector is None else self.vector.double()

    def read(self, model, ids: list[int], weights: Weights | None = None, noise: Tensor | None = None) -> Reading:
        """What a model says of one text; ``noise`` (T, d) is added where the residual stream leaves the read layer."""
        tokens, layer, seen = torch.tensor([ids]), self.entry["read_layer"], []

        def leave(module, inputs, output):
            hidden = output[0] if isinstance(output, tuple) else output
            seen.append(hidden[0] if noise is None else hidden[0] + noise)
            return (seen[0][None], *output[1:]) if isinstance(output, tuple) else seen[0][None]

        handle = model.model.layers[layer].register_forward_hook(leave)
        try:
            logits = functional_call(model, weights or {}, (tokens,), {"use_cache": False}).logits[0]
        finally:
            handle.remove()
        counts = torch.arange(len(ids)) > 0
        return Reading(tokens[0], seen[0], counts, logits)

    def batch(self, model, corpus: str, chosen: list[int], weights: Weights | None = None, noise=None) -> list[Reading]:
        texts = [self.texts[corpus][index] for index in chosen]
        drawn = [None] * len(texts)
        if noise is not None:
            width = max(map(len, texts))
            drawn = noise(torch.zeros(len(texts), width, model.config.hidden_size).double())
            drawn = [row[: len(text)] for row, text in zip(drawn, texts, strict=True)]
        return [self.read(model, text, weights, each) for text, each in zip(texts, drawn, strict=True)]

    def losses(self, forget: list[int], retain: list[int]):
        """Forget and retain loss of a step, functions of the weights; every random number is drawn now."""
        entry = self.entry
        with torch.no_grad():
            frozen_forget = self.batch(self.frozen, "forget", forget)
            frozen_retain = self.batch(self.frozen, "retain", retain, noise=self.noise)
            every = range(len(self.texts["refusal"]))
            frozen_refusal = self.batch(self.frozen, "refusal", every) if entry["forget_loss"] == "dpo" else None

        def of_forget(weights: Weights) -> Tensor:
            ours = self.batch(self.model, "forget", forget, weights)
            refusal = (self.batch(self.model, "refusal", every, weights), frozen_refusal) if frozen_refusal else None
            return forget_loss(entry["forget_loss"], entry["parameters"], ours, frozen_forget, self.vector, refusal)

        def of_retain(weights: Weights) -> Tensor:
            ours = self.batch(self.model, "retain", retain, weights)
            return entry["retain_weight"] * retain_loss(entry["retain_loss"], ours, frozen_retain)

        return of_forget, of_retain

    def follow(self, chosen: list[int]) -> None:
        """Adaptive RMU: the vector gets the mean length of the first forget batch's activations."""
        self.vector = self.vector * mean_length(self.batch(self.frozen, "forget", chosen))

    def run(
        self, order: dict[str, Tensor], defence: Callable = plain, optimiser: Callable = adamw,
        rates: list[float] | None = None, clipping: float | None = None, **settings,
    ) -> list[Weights]:  # fmt: skip
        """Train on batches ``order[corpus]`` (steps, B); returns the weights after each step."""
        states, path = {name: {} for name in self.names}, []
        for step, (forget, retain) in enumerate(zip(order["forget"].tolist(), order["retain"].tolist(), strict=True)):
            losses = self.losses(forget, retain)
            slopes = defence(*losses, self.weights, **settings)
            slopes = clipped(slopes, clipping) if clipping else slopes
            rate = rates[step] if rates else self.entry["learning_rate"]
            self.weights = {
                name: optimiser(tensor, slopes[name].detach(), rate, states[name])
                for name, tensor in self.weights.items()
            }
            path.append(self.weights)
        return path

    def forget_gradient(self, chosen: list[int]) -> Weights:
        return gradient(self.losses(chosen, chosen)[0], self.weights)
