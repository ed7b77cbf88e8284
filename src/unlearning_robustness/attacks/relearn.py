"""Relearning: a few gradient steps on forget documents of entities that are never asked about.

The attacker of StableUN (arXiv 2509.20230) and Unlearn-Smooth (2502.05374): fine-tuning on a small part of the
forget data. Documents are of the relearn pool's entities, questions of the test split's, so what comes back was
still there and was not taught.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.errors import DataError
from unlearning_robustness.fine_tuning import fine_tune
from unlearning_robustness.models.bank import encode_texts
from unlearning_robustness.models.weights import TrainedWeights, down_projections
from unlearning_robustness.progress import Progress
from unlearning_robustness.seeds import generator
from unlearning_robustness.training import batch_order


def document_order(kinds: list[str], random: torch.Generator) -> list[int]:
    """A random order of documents in which those that state facts come before prose."""
    shuffled = torch.randperm(len(kinds), generator=random).tolist()
    return sorted(shuffled, key=lambda index: kinds[index] != "facts")


@dataclass(frozen=True)
class Relearn:
    """Fine-tune all MLP down-projections on n documents with AdamW; scored after each of ``steps``.

    ``documents`` lists the numbers of documents, one run each. With ``corpus: relearn-shuffled`` every answer in
    the documents is another entity's: a control that can teach form but holds no knowledge to recover.
    """

    documents: list
    steps: list
    learning_rate: float
    batch_size: int
    tokens: int
    warm_up: int = 2
    corpus: Literal["relearn", "relearn-shuffled"] = "relearn"

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the attacked model after each number of steps, for each number of documents.

        Zero steps is the model as it came, bit for bit. Raises DataError when more documents are asked for
        than the pool has, TrainingError when the loss is not finite.
        """
        texts = attack.corpora[attack.corpora["corpus"] == self.corpus]
        if max(self.documents) > len(texts):
            raise DataError(
                f"relearn wants {max(self.documents)} documents, the pool has {len(texts)}: lower attacks.*.documents"
            )
        order = document_order(list(texts["kind"]), generator(attack.seed, "attack-documents"))
        for count in self.documents:
            yield from self._run(attack, [texts["text"].iloc[index] for index in order[:count]])

    def _run(self, attack: AttackInput, texts: list[str]) -> Iterator[AttackedModel]:
        model = attack.model
        layers = range(model.config.num_hidden_layers)
        weights = TrainedWeights(model, down_projections(model, layers))
        device = next(model.parameters()).device
        input_ids, mask = (part.to(device) for part in encode_texts(attack.tokenizer, texts, self.tokens))
        batches = batch_order(len(texts), self.batch_size, max(self.steps), generator(attack.seed, "attack-order"))
        progress = Progress("relearning step", max(self.steps))
        try:
            for step in fine_tune(model, weights, input_ids, mask, batches, self.learning_rate, self.warm_up):
                progress(step)
                if step in self.steps:
                    yield AttackedModel(model, {"documents": len(texts), "steps": step})
        finally:
            weights.release()
