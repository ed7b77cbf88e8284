"""Whole runs of unlearning as RNA's released code makes them, by what that code does, without a line of it.

Two whole models of one number type; batches of consecutive texts, topic after topic; padding on the left with the
end-of-text token, where padding sees every position of its row; every position counts in every loss; weights, gradients
and moments are of the model's number type; transformers' AdamW. Likelihood methods give the frozen model no mask.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from independent.losses import Reading, forget_loss, mean_length, retain_loss
from independent.optimisers import transformers_adamw
from torch import Tensor


@dataclass
class Released:
    """``texts``: of each topic the token ids of its texts; ``entry`` also has ``topics``, settings of each.

    ``vectors`` (K, d) are the topics' unit vectors in the model's number type. ``noise`` draws N(0, 1) of a shape.
    """

    model: object
    entry: dict
    texts: list[list[list[int]]]
    retain: list[list[int]]
    refusal: list[list[int]]
    names: list[str]
    end_of_text: int
    vectors: Tensor | None = None
    noise: Callable[[torch.Size], Tensor] | None = None
    scale: float = 0.0
    frozen: object = field(init=False)

    def __post_init__(self):
        self.model, self.frozen = copy.deepcopy(self.model), copy.deepcopy(self.model)
        self.likelihood = self.entry["retain_loss"] in ("kl", "mse", "nll")
        self.lengths = [1.0] * len(self.texts)

    def padded(self, texts: list[list[int]], tokens: int) -> tuple[Tensor, Tensor]:
        cut = [text[:tokens] for text in texts]
        width = max(map(len, cut))
        ids = torch.tensor([[self.end_of_text] * (width - len(text)) + text for text in cut])
        return ids, torch.tensor([[column >= width - len(text) for column in range(width)] for text in cut])

    def read(self, model, ids: Tensor, real: Tensor | None, noise: float = 0.0) -> list[Reading]:
        """What a model says of a padded batch; without ``real`` it reads padding as text."""
        allowed, layer, seen = None, self.entry["read_layer"], []
        if real is not None and not real.all():
            rows, width = real.shape
            allowed = torch.zeros(rows, 1, width, width, dtype=torch.bool)
            for row in range(rows):
                for query in range(width):
                    keys = [key for key in range(query + 1) if real[row, key]]
                    allowed[row, 0, query, keys or slice(None)] = True

        def leave(module, inputs, output):
            hidden = output[0] if isinstance(output, tuple) else output
            changed = hidden + noise * self.noise(hidden.shape).to(hidden) if noise else hidden
            seen.append(changed)
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        handle = model.model.layers[layer].register_forward_hook(leave)
        try:
            logits = model(ids, attention_mask=allowed, use_cache=False).logits.float()
        finally:
            handle.remove()
        every = torch.ones(ids.shape[1], dtype=torch.bool)
        return [Reading(ids[row], seen[0][row], every, logits[row]) for row in range(len(ids))]

    def run(self, steps: int, batch_size: int) -> dict[str, Tensor]:
        """Train; returns the trained tensors."""
        entry, states = self.entry, {name: {} for name in self.names}
        for step in range(steps):
            topic, number = step % len(self.texts), step // len(self.texts)
            limits = entry["topics"][topic]
            take = slice(number * batch_size, (number + 1) * batch_size)
            forget = self.padded(self.texts[topic][take], limits["tokens"])
            retain = self.padded(self.retain[take], limits["retain_tokens"])
            tensors = [self.model.get_parameter(name).requires_grad_(True) for name in self.names]
            loss = self.forget(step, topic, *forget) + self.keep(*retain) * limits["retain_weight"]
            for name, tensor, slope in zip(self.names, tensors, torch.autograd.grad(loss, tensors), strict=True):
                tensor.data = transformers_adamw(tensor.detach(), slope, entry["learning_rate"], states[name])
        return {name: self.model.get_parameter(name).detach() for name in self.names}

    def frozen_mask(self, real: Tensor) -> Tensor | None:
        return None if self.likelihood else real

    def forget(self, step: int, topic: int, ids: Tensor, real: Tensor) -> Tensor:
        entry, ours = self.entry, self.read(self.model, ids, real)
        with torch.no_grad():
            theirs = self.read(self.frozen, ids, self.frozen_mask(real))
        vector = None if self.vectors is None else self.vectors[topic]
        if entry["forget_loss"] == "adaptive-rmu":
            if step < 2:
                self.lengths[topic] = mean_length(ours).item()
            vector = vector * self.lengths[topic]
        refusals = None
        if entry["forget_loss"] == "dpo":
            idk = self.padded(self.refusal, 10**6)
            with torch.no_grad():
                refusals = self.read(self.model, *idk), self.read(self.frozen, idk[0], None)
        return forget_loss(entry["forget_loss"], entry["parameters"], ours, theirs, vector, refusals)

    def keep(self, ids: Tensor, real: Tensor) -> Tensor:
        ours = self.read(self.model, ids, real)
        with torch.no_grad():
            theirs = self.read(self.frozen, ids, self.frozen_mask(real), self.scale)
        return retain_loss(self.entry["retain_loss"], ours, theirs, torch.Tensor.bfloat16, torch.Tensor.bfloat16)
