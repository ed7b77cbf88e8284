"""Relearning: a few gradient steps on a few documents.

The attacker of StableUN (arXiv 2509.20230) and Unlearn-Smooth (2502.05374): fine-tuning on a small part of the
forget data. Documents are of the relearn pool's entities, questions of the test split's, so what comes back was
still there and was not taught. Other corpora ask what it was that brought it back.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import AttackFacts, Scoring
from unlearning_robustness.config.ranges import Count, Index, Indices, Positive, Tokens
from unlearning_robustness.engine.lora import LowRankWeights, modules_of_layers
from unlearning_robustness.engine.weights import TrainedWeights, down_projections, tensors_of_layers
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import ATTENTION, MLP, layers_of
from unlearning_robustness.models.shape import BFLOAT16, Shape, Work
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.encoding import cut_line, pad, windows
from unlearning_robustness.training.fine_tuning import fine_tune, learning_rate_at, linear_rate_at
from unlearning_robustness.training.orders import batch_order

TARGETS = {"attention": ATTENTION, "mlp": MLP, "all": (*ATTENTION, *MLP)}


def document_order(kinds: list[str], random: torch.Generator) -> list[int]:
    """A random order of documents in which those that state facts come before prose."""
    shuffled = torch.randperm(len(kinds), generator=random).tolist()
    return sorted(shuffled, key=lambda index: kinds[index] != "facts")


def nested_order(batches: torch.Tensor, count: int) -> torch.Tensor:
    """The batches (steps, size) with the first pass over ``count`` documents in their own order.

    Runs on more documents then begin with the batches of runs on fewer.
    """
    order = batches.flatten()
    first = torch.arange(min(count, len(order)))
    return torch.cat([first, order[len(first) :]]).view_as(batches)


@dataclass(frozen=True)
class Relearn:
    """Fine-tune on n documents with AdamW of peak ``learning_rate``, without weight decay; scored along the way.

    ``documents`` lists the numbers of documents, one run each; a step takes ``batch_size`` of them. A run is scored
    after each of ``steps``, or after each number of passes in ``epochs``; the settings have one of both.

    ``order``: of a run's documents, those that state facts come before prose. ``shuffled`` draws every batch from all
    of them; ``nested`` goes through them in order in the first pass, so that a run on 60 documents passes through those
    on its first 20 and 40: with batches of 4, steps 5, 10 and 15 are the papers' 20, 40 and 60 documents seen once.

    ``corpus``: ``relearn``, in-domain and about entities that are never asked about; ``relearn-shuffled``, the same
    with every answer another entity's, which can teach form but holds no knowledge to recover; ``neighbour``, facts of
    the neighbour domain; ``benign``, prose of the retain kind that was never trained on; ``seen``, documents of the
    very entities that are asked about: no recovery but teaching, and the upper end.

    ``trained``: all MLP ``down-projections``; ``full``, every parameter of the decoder layers; ``lora``, adapters
    of rank ``rank`` and weight ``alpha`` / ``rank`` on the projections ``targets``.

    ``tokens``: most tokens of a text of a batch. ``long_documents``: a longer document becomes several ``windows``,
    each a text of its own, so that nothing is left out; or it is ``cut`` there, as published, and the log says how much
    is left out: whoever never sees the facts brings nothing back. A pass is over all texts of a run.

    ``schedule``: ``constant`` after ``warm_up`` steps; ``linear``, up over the first tenth of the steps and down to
    zero. There the rate depends on where the run ends, so every number of steps is a run of its own.

    ``gradient_checkpointing``: layers run again for the backward pass, with the same result in less memory.
    """

    documents: Indices
    learning_rate: Positive
    batch_size: Count
    tokens: Tokens
    long_documents: Literal["windows", "cut"] = "windows"
    steps: Indices | None = None
    epochs: Indices | None = None
    warm_up: Index = 2
    schedule: Literal["constant", "linear"] = "constant"
    order: Literal["shuffled", "nested"] = "shuffled"
    corpus: Literal["relearn", "relearn-shuffled", "neighbour", "benign", "seen"] = "relearn"
    trained: Literal["down-projections", "full", "lora"] = "down-projections"
    rank: Count = 16
    alpha: Positive = 32.0
    targets: Literal["all", "attention", "mlp"] = "all"
    gradient_checkpointing: bool = False

    class Facts(AttackFacts):
        relearns = True

        @staticmethod
        def problems(settings: dict) -> Iterator[tuple[str, str]]:
            budgets = [name for name in ("steps", "epochs") if settings[name] is not None]
            if len(budgets) != 1:
                yield "epochs", f"give one of steps and epochs, not {'both' if budgets else 'neither'}"
            for name in ("documents", *budgets):
                if settings[name] != sorted(set(settings[name])):
                    yield name, f"{settings[name]} must rise, each number once; write {sorted(set(settings[name]))}"
            size = settings["batch_size"]
            uneven = [count for count in settings["documents"] if count % size]
            if budgets == ["epochs"] and uneven:
                yield (
                    "documents",
                    (
                        f"{uneven[0]} is no multiple of batch_size {size}, so no whole number of steps is a pass; "
                        f"give {uneven[0] - uneven[0] % size + size}"
                    ),
                )

        @staticmethod
        def texts(settings: dict) -> dict[str, tuple[str, int]]:
            return {settings["corpus"]: ("documents", max(settings["documents"]))}

        @staticmethod
        def mend_for_mixtures(settings: dict) -> str:
            adapts_attention = settings["trained"] == "lora" and settings["targets"] == "attention"
            fits = adapts_attention or settings["trained"] == "full"
            return "" if fits else "give trained: full, or lora with targets: attention"

        @staticmethod
        def runs(settings: dict) -> int:
            return len(settings["documents"])

        @staticmethod
        def scored_points(settings: dict) -> int:
            return len(settings["steps"] or settings["epochs"])

        @staticmethod
        def trained_parameters(settings: dict, shape: Shape) -> int:
            """Weights that are trained in each layer."""
            if settings["trained"] == "lora":
                projections = {"all": slice(None), "attention": slice(0, 4), "mlp": slice(4, 7)}[settings["targets"]]
                return settings["rank"] * sum(map(sum, list(shape.matrices.values())[projections]))
            return shape.layer_parameters if settings["trained"] == "full" else shape.projection_parameters

        @classmethod
        def work(cls, settings: dict, shape: Shape, scoring: Scoring | None = None) -> Work:
            # To the end of the budget, on the most documents.
            size, documents = settings["batch_size"], max(settings["documents"])
            steps = max(settings["steps"] or [passes * documents // size for passes in settings["epochs"]])
            trained = shape.num_hidden_layers * cls.trained_parameters(settings, shape)
            training = shape.fine_tuning(steps, size * settings["tokens"], trained, settings["gradient_checkpointing"])
            # The gradients are there in the weights' own type too.
            return replace(training, memory=training.memory + trained * BFLOAT16)

    def scored_steps(self, count: int) -> list[int]:
        """After how many steps a run on ``count`` texts is scored."""
        if self.steps is not None:
            return self.steps
        return [math.ceil(passes * count / self.batch_size) for passes in self.epochs]

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the attacked model after each number of steps, for each number of documents.

        Zero steps is the model as it came, bit for bit, and so are zero documents, a run without steps. Raises
        DataError when more documents are asked for than the corpus has, TrainingError when the loss is not finite.
        """
        texts = attack.corpora[attack.corpora["corpus"] == self.corpus]
        if max(self.documents) > len(texts):
            raise DataError(
                f"relearn needs {max(self.documents)} documents, the corpus {self.corpus} has {len(texts)}: "
                "lower attacks.*.parameters.documents"
            )
        order = document_order(list(texts["kind"]), generator(attack.seed, "attack-documents"))
        for count in self.documents:
            if count == 0:
                yield AttackedModel(attack.model, {"documents": 0, "steps": 0})
                continue
            chosen = [texts["text"].iloc[index] for index in order[:count]]
            rows = self.rows(attack.tokenizer, chosen)
            steps = self.scored_steps(len(rows))
            for scored in [steps] if self.schedule == "constant" else [[step] for step in steps]:
                yield from self._run(attack, rows, count, scored)

    def rows(self, tokenizer, documents: list[str]) -> list[list[int]]:
        """The token ids of every text that a run trains on; says how documents became texts."""
        encoded = [tokenizer.encode(text) for text in documents]
        if self.long_documents == "cut":
            print(cut_line(f"{len(documents)} documents", tokenizer, documents, self.tokens), flush=True)
            return [ids[: self.tokens] for ids in encoded]
        rows = [window for ids in encoded for window in windows(ids, self.tokens)]
        print(f"{len(documents)} documents as {len(rows)} texts of at most {self.tokens} tokens", flush=True)
        return rows

    def weights(self, model, seed: int) -> TrainedWeights:
        """The tensors that this attacker trains; raises ArchitectureError naming what the model does not have."""
        layers = range(len(layers_of(model)))
        if self.trained == "lora":
            targets = modules_of_layers(model, layers, self._roles(model))
            return LowRankWeights(model, targets, self.rank, self.alpha, generator(seed, "attack-adapter"))
        names = {"down-projections": down_projections, "full": tensors_of_layers}[self.trained]
        return TrainedWeights(model, names(model, layers))

    def _roles(self, model) -> list[str]:
        """The projections that get an adapter; an MLP without a gate has one less."""
        gated = "gate_proj" in layers_of(model)[0].projections if self.targets != "attention" else True
        return [role for role in TARGETS[self.targets] if gated or role != "gate_proj"]

    def _run(
        self, attack: AttackInput, rows: list[list[int]], documents: int, scored: list[int]
    ) -> Iterator[AttackedModel]:
        model, last = attack.model, max(scored)
        weights = self.weights(model, attack.seed)
        device = next(model.parameters()).device
        input_ids, mask = (part.to(device) for part in pad(rows))
        batches = batch_order(len(rows), self.batch_size, last, generator(attack.seed, "attack-order"))
        if self.order == "nested":
            batches = nested_order(batches, len(rows))
        progress = Progress("relearning step", last)
        try:
            rate, again = self._rate_at(last), self.gradient_checkpointing
            for step in fine_tune(model, weights, input_ids, mask, batches, rate, again):
                progress(step)
                if step in scored:
                    budget = {"documents": documents, "steps": step}
                    yield AttackedModel(model, budget, continues=step > min(scored))
        finally:
            weights.release()

    def _rate_at(self, last: int) -> Callable[[int], float]:
        if self.schedule == "linear":
            return lambda step: linear_rate_at(step, self.learning_rate, last)
        return lambda step: learning_rate_at(step, self.learning_rate, self.warm_up)
