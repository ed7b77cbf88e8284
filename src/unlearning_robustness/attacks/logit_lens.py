"""Logit lens: answers read before the last layer, where unlearning may have hidden them no deeper than it trained.

The attack of Łucki et al. (arXiv 2409.18025) as RNA's authors use it: an intermediate stream is put through the final
norm and the unembedding. Differs from the released code: the layer is chosen on one half of the select questions, and
must do better than the model's own answer on the other half, so that none of many read-outs is taken for its luck;
choices are scored by unrounded log-likelihoods, so no ties fall to the first option; one forward reads all places.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import PREDICTING, AttackFacts, Scoring
from unlearning_robustness.attacks.select_split import SelectAccuracy, best, halves
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
    each of these adds to it. ``layers``: of which layers, by default all; the last layer alone is no attack. One half
    of the select questions chooses where to read, and the other half must confirm it.

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
        def select_questions(settings: dict) -> tuple[str, int]:
            # One half chooses, the other one confirms.
            return "", 2

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
        """Setting to place, the model's own answer first: of equally good ones ``best`` takes the one nearest to it.

        Raises DataError for a layer that does not exist.
        """
        streams = self.streams_of(model)
        depth = len(streams["layer"])
        layers = range(depth) if self.layers is None else self.layers
        if max(layers) >= depth:
            raise DataError(f"the model has {depth} layers, no layer {max(layers)}: lower attacks.*.parameters.layers")
        return {f"layer {depth - 1}": streams["layer"][-1]} | {
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
        """Yield the model read where one half of the select questions say, if the other half does better there, too.

        Else the model keeps its own answer, which is no attack. The setting has the accuracy of both on that other
        half, and the streams that the architecture does not have.
        """
        places = self.places(attack.model)

        def reading(*names: str) -> Callable[[QuestionScorer, nn.Module], torch.Tensor]:
            return lambda scorer, model: stream_log_likelihoods(scorer, model, [places[name] for name in names])

        own, *_ = places
        choosing, confirming = (SelectAccuracy(attack, half) for half in halves(attack))
        scores = choosing.readings(attack.model, reading(*places))
        other, _ = best(zip(places, scores, strict=True), scores[0], utility_bound=1.0)
        kept, tried = (score["forget"] for score in confirming.readings(attack.model, reading(own, other)))
        chosen, compared = (other if tried > kept else own), f" ({other} {tried:.3f}, {own} {kept:.3f} held out)"
        yield AttackedModel(
            attack.model,
            {},
            chosen + (compared if other != own else "") + self._absent(attack.model),
            read=lambda scorer, model: reading(chosen)(scorer, model)[0],
        )

    def _absent(self, model: nn.Module) -> str:
        absent = WITHIN_LAYERS.keys() - self.streams_of(model).keys() if self.streams == "all" else ()
        return f"; not in this architecture: {', '.join(sorted(absent))}" if absent else ""
