"""Orthogonalisation: the direction along which unlearning moved activations is taken out of the residual stream.

The attack of Łucki et al. (arXiv 2409.18025). Differs from the released code: layers are chosen on the select split;
all select forget questions count, not only those that unlearning turned wrong; the principal component is computed in
the coordinates it is applied in (theirs is of standardised activations); outliers are positions, not every occurrence
of a token string; sums are running, no activations are stacked. Where the models are the same, as for the reference
itself, there is no direction and nothing is removed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import AttackFacts, Scoring
from unlearning_robustness.attacks.select_split import SelectAccuracy, best
from unlearning_robustness.config.ranges import Index, Indices, NonNegative
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring.encoding import encode_texts

NOTHING = "nothing removed"
Compared = Callable[[int, torch.Tensor, torch.Tensor], None]


def remove(hidden: torch.Tensor, direction: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Gives h - (<h, d> - level) d of a residual stream (..., d), a unit direction (d,) and a level (); in its type."""
    wide = hidden.float()
    return (wide - ((wide @ direction) - level)[..., None] * direction).to(hidden.dtype)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (L, d) of length 1; one of length 0 stays."""
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 0, vectors / length.clamp_min(1e-30), torch.zeros_like(vectors))


@dataclass(frozen=True)
class Orthogonalise:
    """Choose where to remove the direction: at one of ``layers`` (default: all), at all of them, or nowhere.

    ``direction``: ``mean``, the mean difference of activations, unlearned less reference, on the select forget
    questions with their answers; ``principal``, the first principal component of these differences about zero, so
    that a shift which all share counts. Every layer has its own.

    ``towards``: what is left of the stream along the direction: ``zero``, as in the papers, or the mean of the
    ``reference``.

    It leaves out the first ``skipped_tokens`` of a text (the attention sink; the papers skip a fixed instruction of 40)
    and, layer by layer, positions whose L1 distance between the two models is more than ``outliers`` standard
    deviations above the mean. Retain accuracy on select may fall by ``utility_bound``.
    """

    utility_bound: NonNegative
    direction: Literal["mean", "principal"] = "mean"
    towards: Literal["zero", "reference"] = "zero"
    outliers: NonNegative = 3.0
    skipped_tokens: Index = 1
    layers: Indices | None = None

    class Facts(AttackFacts):
        @staticmethod
        def chooses_on(settings: dict) -> tuple[str, ...]:
            return "forget", "retain"

        @staticmethod
        def candidates(settings: dict, shape: Shape) -> int:
            # One layer, all of them, or none.
            return len(settings["layers"] or range(shape.num_hidden_layers)) + 2

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            # One batch's activations in every layer; for the principal component a matrix a layer and its eigenvectors.
            layers, width = shape.num_hidden_layers, shape.hidden_size
            rows = scoring.batch_size * scoring.length * width
            component = (layers + 3) * width**2 * FLOAT32 if settings["direction"] == "principal" else 0
            return Work(memory=shape.memory() + layers * rows * BFLOAT16 + 5 * rows * FLOAT32 + component)

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model with what was chosen; hooks come off when the next is asked for, errors or not.

        Layers where the models do not differ have no direction. Raises DataError for a layer that is not there.
        """
        modules = layer_modules(attack.model)
        layers = list(range(len(modules))) if self.layers is None else self.layers
        if max(layers) >= len(modules):
            raise DataError(
                f"the model has {len(modules)} layers, no layer {max(layers)}: lower attacks.*.parameters.layers"
            )
        accuracy, chosen = SelectAccuracy(attack), [modules[layer] for layer in layers]
        directions, levels = self.directions(attack, chosen)
        hooks = {
            layer: (module, _remover(direction, level))
            for layer, module, direction, level in zip(layers, chosen, directions, levels, strict=True)
            if direction.any()
        }
        settings = {NOTHING: [], **{f"layer {layer}": [hook] for layer, hook in hooks.items()}}
        if len(hooks) > 1:
            settings["all layers"] = list(hooks.values())
        scores = []
        for setting, removed in settings.items():
            with hooked(removed):
                scores.append((setting, accuracy(AttackedModel(attack.model, {}))))
        setting, _ = best(scores, scores[0][1], self.utility_bound)
        with hooked(settings[setting]):
            yield AttackedModel(attack.model, {}, setting)

    @torch.no_grad()
    def directions(self, attack: AttackInput, modules: list[nn.Module]) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit directions (L, d) at ``modules``, and what is to be left along them, (L,)."""
        distances: list[list[torch.Tensor]] = [[] for _ in modules]

        def measure(index: int, moved: torch.Tensor, still: torch.Tensor) -> None:
            distances[index].append((moved - still).abs().sum(-1))

        self._compare(attack, modules, measure)
        joined = [torch.cat(parts) for parts in distances]
        limits = [part.mean() + self.outliers * part.std(correction=0) for part in joined]
        sums = [Sums(limit, self.direction == "principal") for limit in limits]
        self._compare(attack, modules, lambda index, moved, still: sums[index].add(moved, still))
        directions = torch.stack([part.direction() for part in sums])
        levels = (directions * torch.stack([part.mean / part.count for part in sums])).sum(-1)
        return directions, levels if self.towards == "reference" else torch.zeros_like(levels)

    def _compare(self, attack: AttackInput, modules: list[nn.Module], see: Compared) -> None:
        """Show, module by module, the activations (N, d), float32, of the unlearned model and of the reference.

        Of a batch those of the unlearned model are kept, in its own type; the reference's are shown as they pass.
        """
        asked = attack.select[attack.select["role"] == "forget"]
        texts = [f"{row.prompt} {row.choices[row.answer]}" for row in asked.itertuples()]
        model = attack.model
        device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
        for start in range(0, len(texts), attack.batch_size):
            batch = encode_texts(attack.tokenizer, texts[start : start + attack.batch_size], tokens=10**6)
            ids, mask = (part.to(device) for part in batch)
            counted, rows = mask.clone(), {}
            counted[:, : self.skipped_tokens] = False

            def keep(index: int, hidden: torch.Tensor, rows=rows, counted=counted) -> None:
                rows[index] = hidden[counted]

            def show(index: int, hidden: torch.Tensor, rows=rows, counted=counted) -> None:
                see(index, rows.pop(index).float(), hidden[counted].float())

            with hooked([(module, partial(keep, index)) for index, module in enumerate(modules)]):
                span(input_ids=ids, attention_mask=mask)
            with attack.reference(), hooked([(module, partial(show, index)) for index, module in enumerate(modules)]):
                span(input_ids=ids, attention_mask=mask)


class Sums:
    """Running sums over the positions of one module whose L1 distance is at most ``limit``."""

    def __init__(self, limit: torch.Tensor, principal: bool):
        self.limit, self.principal = limit, principal
        self.count, self.shift, self.mean, self.spread = 0, 0, 0, 0

    def add(self, moved: torch.Tensor, still: torch.Tensor) -> None:
        """Take further activations (N, d)."""
        difference = moved - still
        kept = difference.abs().sum(-1) <= self.limit
        difference = difference[kept]
        self.count, self.shift = self.count + kept.sum(), self.shift + difference.sum(0)
        self.mean = self.mean + still[kept].sum(0)
        if self.principal:
            self.spread = self.spread + difference.mT @ difference

    def direction(self) -> torch.Tensor:
        """The unit direction (d,) of the mean difference or of its principal component; zeros where nothing differs."""
        mean = unit(self.shift / self.count)
        if not self.principal or not mean.any():
            return mean
        return torch.linalg.eigh(self.spread).eigenvectors[:, -1]


def _remover(direction: torch.Tensor, level: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda hidden: remove(hidden, direction, level)
