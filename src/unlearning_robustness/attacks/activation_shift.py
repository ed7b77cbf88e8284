"""How unlearning moved the residual stream on the select forget questions: its directions, and where it was before.

Sums are running: of a batch the unlearned model's activations are kept, in its own type, and the reference's are seen
as they pass.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring.chat import with_choice
from unlearning_robustness.scoring.encoding import encode_texts

Compared = Callable[[int, torch.Tensor, torch.Tensor], None]


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (L, d) of length 1; one of length 0 stays."""
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 0, vectors / length.clamp_min(1e-30), torch.zeros_like(vectors))


class Shift:
    """Running sums over the positions of one module whose L1 distance between the models is at most ``limit``."""

    def __init__(self, limit: torch.Tensor, principal: bool):
        self.limit, self.principal = limit, principal
        self.count, self.moved, self.still, self.spread = 0, 0, 0, 0

    def add(self, moved: torch.Tensor, still: torch.Tensor) -> None:
        """Take further activations (N, d) of the unlearned model and of the reference."""
        difference = moved - still
        kept = difference.abs().sum(-1) <= self.limit
        difference = difference[kept]
        self.count, self.moved = self.count + kept.sum(), self.moved + difference.sum(0)
        self.still = self.still + still[kept].sum(0)
        if self.principal:
            self.spread = self.spread + difference.mT @ difference

    def direction(self, of: str) -> torch.Tensor:
        """The unit direction (d,) of the ``mean`` difference or of its ``principal`` component about zero.

        Zeros where nothing differs.
        """
        mean = unit(self.moved / self.count)
        return mean if of == "mean" or not mean.any() else torch.linalg.eigh(self.spread).eigenvectors[:, -1]

    def level(self, direction: torch.Tensor) -> torch.Tensor:
        """The reference's mean () along a direction (d,)."""
        return direction @ (self.still / self.count)


@torch.no_grad()
def shifts(
    attack: AttackInput, modules: list[nn.Module], outliers: float, skipped_tokens: int, principal: bool
) -> list[Shift]:
    """How the output of each module differs between the unlearned model and the reference.

    Of the select forget questions with their answers, without the first ``skipped_tokens`` of each, and without
    positions whose L1 distance is more than ``outliers`` standard deviations above the module's mean.
    """
    distances: list[list[torch.Tensor]] = [[] for _ in modules]

    def measure(index: int, moved: torch.Tensor, still: torch.Tensor) -> None:
        distances[index].append((moved - still).abs().sum(-1))

    _compare(attack, modules, skipped_tokens, measure)
    joined = [torch.cat(parts) for parts in distances]
    sums = [Shift(part.mean() + outliers * part.std(correction=0), principal) for part in joined]
    _compare(attack, modules, skipped_tokens, lambda index, moved, still: sums[index].add(moved, still))
    return sums


def _compare(attack: AttackInput, modules: list[nn.Module], skipped_tokens: int, see: Compared) -> None:
    """Show, module by module, the activations (N, d), float32, of the unlearned model and of the reference."""
    asked = attack.select[attack.select["role"] == "forget"]
    texts = [with_choice(row, row.choices[row.answer]) for row in asked.itertuples()]
    model = attack.model
    device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
    for start in range(0, len(texts), attack.batch_size):
        batch = encode_texts(attack.tokenizer, texts[start : start + attack.batch_size], tokens=10**6)
        ids, mask = (part.to(device) for part in batch)
        counted, rows = mask.clone(), {}
        counted[:, :skipped_tokens] = False

        def keep(index: int, hidden: torch.Tensor, rows=rows, counted=counted) -> None:
            rows[index] = hidden[counted]

        def show(index: int, hidden: torch.Tensor, rows=rows, counted=counted) -> None:
            see(index, rows.pop(index).float(), hidden[counted].float())

        with hooked([(module, partial(keep, index)) for index, module in enumerate(modules)]):
            span(input_ids=ids, attention_mask=mask)
        with attack.reference(), hooked([(module, partial(show, index)) for index, module in enumerate(modules)]):
            span(input_ids=ids, attention_mask=mask)
