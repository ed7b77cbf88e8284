"""Orthogonalisation: the direction along which unlearning moved activations is taken out of the residual stream.

The attack of Łucki et al. (arXiv 2409.18025). Differs from the released code: layers are chosen on the select split;
all select forget questions count, not only those that unlearning turned wrong; the principal component is computed in
the coordinates it is applied in (theirs is of standardised activations); outliers are positions, not every occurrence
of a token string; sums are running, no activations are stacked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.choice import SelectAccuracy, best
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.bank import encode_texts
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.modules import layer_modules
from unlearning_robustness.models.slicing import LayerSpan

NOTHING = "nothing removed"


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

    Left out are the first ``skipped_tokens`` of a text (the attention sink; the papers skip a fixed instruction of 40)
    and, layer by layer, positions whose L1 distance between the two models is more than ``outliers`` standard
    deviations above the mean. Retain accuracy on select may fall by ``margin``.
    """

    margin: float
    direction: Literal["mean", "principal"] = "mean"
    towards: Literal["zero", "reference"] = "zero"
    outliers: float = 3.0
    skipped_tokens: int = 1
    layers: list | None = None

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model with what was chosen; hooks come off when the next is asked for, errors or not.

        Layers where the models do not differ have no direction. Raises DataError for a layer that is not there.
        """
        modules = layer_modules(attack.model)
        places = list(range(len(modules))) if self.layers is None else self.layers
        if max(places) >= len(modules):
            raise DataError(f"the model has {len(modules)} layers, no layer {max(places)}: lower attacks.*.layers")
        accuracy, chosen = SelectAccuracy(attack), [modules[place] for place in places]
        directions, levels = self.directions(attack, chosen)
        hooks = {
            place: (module, _remover(direction, level))
            for place, module, direction, level in zip(places, chosen, directions, levels, strict=True)
            if direction.any()
        }
        settings = {NOTHING: [], **{f"layer {place}": [hook] for place, hook in hooks.items()}}
        if len(hooks) > 1:
            settings["all layers"] = list(hooks.values())
        scores = []
        for setting, wanted in settings.items():
            with hooked(wanted):
                scores.append((setting, accuracy(AttackedModel(attack.model, {}))))
        setting, _ = best(scores, scores[0][1], self.margin)
        with hooked(settings[setting]):
            yield AttackedModel(attack.model, {}, setting)

    @torch.no_grad()
    def directions(self, attack: AttackInput, modules: list[nn.Module]) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit directions (L, d) at ``modules``, and what is to be left along them, (L,)."""
        distances = torch.cat([(moved - still).abs().sum(-1) for moved, still in self._paired(attack, modules)], dim=1)
        limits = distances.mean(1) + self.outliers * distances.std(1, correction=0)
        count, shift, mean, spread = 0, 0, 0, 0
        for moved, still in self._paired(attack, modules):
            difference = moved - still
            kept = (difference.abs().sum(-1) <= limits[:, None])[..., None]
            difference, still = difference * kept, still * kept
            count, shift, mean = count + kept.sum(1), shift + difference.sum(1), mean + still.sum(1)
            if self.direction == "principal":
                spread = spread + difference.mT @ difference
        found = unit(shift / count)
        if self.direction == "principal":
            found = torch.linalg.eigh(spread).eigenvectors[..., -1] * found.any(-1, keepdim=True)
        levels = (found * (mean / count)).sum(-1)
        return found, levels if self.towards == "reference" else torch.zeros_like(levels)

    def _paired(self, attack: AttackInput, modules: list[nn.Module]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batch by batch the activations (L, N, d), float32, of the unlearned model and of the reference."""
        asked = attack.select[attack.select["role"] == "forget"]
        texts = [f"{row.prompt} {row.choices[row.answer]}" for row in asked.itertuples()]
        model = attack.model
        device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
        for start in range(0, len(texts), attack.batch_size):
            batch = encode_texts(attack.tokenizer, texts[start : start + attack.batch_size], tokens=10**6)
            ids, mask = (part.to(device) for part in batch)
            counted = mask.clone()
            counted[:, : self.skipped_tokens] = False
            moved = _activations(span, modules, ids, mask, counted)
            with attack.reference():
                still = _activations(span, modules, ids, mask, counted)
            yield moved, still


def _activations(span: LayerSpan, modules: list[nn.Module], ids, mask, counted: torch.Tensor) -> torch.Tensor:
    """Outputs of ``modules`` at the counted positions (N of them) of ids (B, T), float32 (L, N, d)."""
    rows: dict[int, torch.Tensor] = {}

    def keep(place: int) -> Callable[[torch.Tensor], None]:
        return lambda hidden: rows.update({place: hidden[counted].float()})

    with hooked([(module, keep(place)) for place, module in enumerate(modules)]):
        span(input_ids=ids, attention_mask=mask)
    return torch.stack([rows[place] for place in range(len(modules))])


def _remover(direction: torch.Tensor, level: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda hidden: remove(hidden, direction, level)
