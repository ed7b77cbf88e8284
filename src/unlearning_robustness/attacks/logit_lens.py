"""Logit lens: answers read before the last layer, where unlearning may have hidden them no deeper than it trained.

The attack of Łucki et al. (arXiv 2409.18025) as RNA's authors use it: an intermediate stream is put through the final
norm and the unembedding. Differs from the released code: the layer is chosen on the select split, not on the questions
that are reported; choices are scored by unrounded log-likelihoods, so no ties fall to the first option; all places are
read in one forward.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import PREDICTING, AttackFacts, Scoring
from unlearning_robustness.attacks.select_split import SelectAccuracy, best
from unlearning_robustness.config.ranges import Indices
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import ArchitectureError, layer_modules
from unlearning_robustness.models.hooks import Place
from unlearning_robustness.models.shape import Shape, Work
from unlearning_robustness.models.sites import after_attention, attention_modules, mlp_modules
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.streams import stream_log_likelihoods

# Beside the residual stream after a layer; not every architecture has all of them.
WITHIN_LAYERS = {
    "after attention": after_attention,
    "attention": attention_modules,
    "mlp": mlp_modules,
}


@dataclass(frozen=True)
class LogitLens:
    """``streams``: ``layers``, the residual stream after each layer; ``all``, also between attention and MLP, and what
    each of these adds to it. ``layers``: of which layers, by default all; the last layer alone is no attack.

    No margin of utility: the model is unchanged, and whoever reads elsewhere can read the last layer for the rest.
    """

    streams: Literal["layers", "all"] = "layers"
    layers: Indices | None = None

    class Facts(AttackFacts):
        only_reads = True

        @staticmethod
        def chooses_on(settings: dict) -> tuple[str, ...]:
            return "forget", "retain"

        @staticmethod
        def candidates(settings: dict, shape: Shape) -> int:
            # All places are read in one forward.
            return 1

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            layers = settings["layers"] or range(shape.num_hidden_layers)
            streams = len(layers) * (4 if settings["streams"] == "all" else 1)
            return Work(operations=streams * scoring.select * PREDICTING * shape.forward(0))

    def places(self, model: nn.Module) -> dict[str, Place]:
        """Setting to place, the last layer first: of equally good ones ``best`` takes the one nearest to no attack.

        Raises DataError for a layer that does not exist.
        """
        streams = self.streams_of(model)
        depth = len(streams["layer"])
        layers = range(depth) if self.layers is None else self.layers
        if max(layers) >= depth:
            raise DataError(f"the model has {depth} layers, no layer {max(layers)}: lower attacks.*.parameters.layers")
        return {
            f"{stream} {layer}": places[layer]
            for stream, places in streams.items()
            for layer in sorted(layers, reverse=True)
        }

    def streams_of(self, model: nn.Module) -> dict[str, list[Place]]:
        """The place of each stream in every layer; streams that the architecture does not have are left out."""
        streams = {"layer": layer_modules(model)}
        for stream, places_of in WITHIN_LAYERS.items() if self.streams == "all" else ():
            with suppress(ArchitectureError):
                streams[stream] = places_of(model)
        return streams

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model read at the place with the highest forget accuracy on select; the last layer is no attack.

        The setting says which streams the architecture does not have.
        """
        places = self.places(attack.model)

        def read_all(scorer: QuestionScorer, model: nn.Module) -> torch.Tensor:
            return stream_log_likelihoods(scorer, model, list(places.values()))

        scores = SelectAccuracy(attack).readings(attack.model, read_all)
        setting, _ = best(zip(places, scores, strict=True), scores[0], utility_bound=1.0)

        def read(scorer: QuestionScorer, model: nn.Module) -> torch.Tensor:
            return stream_log_likelihoods(scorer, model, [places[setting]])[0]

        yield AttackedModel(attack.model, {}, setting + self._absent(attack.model), read=read)

    def _absent(self, model: nn.Module) -> str:
        absent = WITHIN_LAYERS.keys() - self.streams_of(model).keys() if self.streams == "all" else ()
        return f"; not in this architecture: {', '.join(sorted(absent))}" if absent else ""
