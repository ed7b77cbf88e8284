"""Score a table of questions with a model: one record a question."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy
import pandas
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.shared_prefix import keys_and_values
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.scoring.multiple_choice import PackedBatch, batches, choice_log_likelihoods, pack


def select_questions(questions: pandas.DataFrame, role: str) -> pandas.DataFrame:
    """The questions of a role in the select split, one template a fact: settings are chosen on these."""
    return questions[(questions["split"] == "select") & (questions["role"] == role)].drop_duplicates("fact")


class QuestionScorer:
    """A table of questions, tokenised once, scored with any number of models.

    The table has columns ``prompt``, ``choices`` and ``answer``; all questions have equally many choices.
    """

    def __init__(self, tokenizer, table: pandas.DataFrame, batch_size: int):
        self.table = table.reset_index(drop=True)
        self.packed = [pack(tokenizer, row.prompt, row.choices) for row in self.table.itertuples()]
        self.batch_size = batch_size
        self.first_layer = 0
        self.prefix: list[torch.Tensor] = []

    @torch.no_grad()
    def keep_prefix(self, model, first_layer: int) -> None:
        """Run the layers below ``first_layer`` once for every later scoring.

        Scores stay the same as long as only layers from ``first_layer`` on change.
        """
        span, device = LayerSpan(model, 0, first_layer), next(model.parameters()).device
        self.prefix = [
            span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids)
            for _, batch in batches(self.packed, self.batch_size, device)
        ]
        self.first_layer = first_layer

    def save_prefix(self, path: str | Path) -> None:
        """Write the kept prefix for other processes with the same questions and batch size."""
        tensors = {f"{number:06d}": tensor.cpu() for number, tensor in enumerate(self.prefix)}
        with atomic(path) as temporary:
            save_file(tensors, temporary, metadata={"first_layer": str(self.first_layer)})

    def load_prefix(self, path: str | Path, lowest_changed: int, device: str | torch.device) -> None:
        """Take a saved prefix, or none if a layer below it was changed."""
        self.first_layer, self.prefix = 0, []
        with safe_open(path, framework="pt", device=str(device)) as handle:
            first_layer = int(handle.metadata()["first_layer"])
            if lowest_changed >= first_layer:
                self.prefix = [handle.get_tensor(name) for name in sorted(handle.keys())]
                self.first_layer = first_layer

    def log_likelihoods(self, model, on_batch: Callable[[int], None] | None = None) -> torch.Tensor:
        """Log-likelihood of each choice, float32 (Q, C).

        Raises DataError when a question is longer than the model's sliding window, which packing does not know.
        """
        window = getattr(model.config, "sliding_window", None)
        longest = max(len(row.prompt) + max(map(len, row.choices)) for row in self.packed)
        if window and longest > window:
            raise DataError(f"a question has {longest} tokens, the model's sliding window {window}: shorten the probes")
        span = LayerSpan(model, self.first_layer, model.config.num_hidden_layers)

        def hidden_states(batch: PackedBatch) -> torch.Tensor:
            start = {"hidden": self.prefix[batch.number]} if self.prefix else {"input_ids": batch.input_ids}
            where = {"attention_mask": batch.mask, "position_ids": batch.position_ids}
            # Keys and values of what stands before a batch, where something does.
            before = keys_and_values(span, batch.head, len(batch.input_ids)) if len(batch.head) else None
            return span(**start, **where, past_key_values=before)

        device, share = next(model.parameters()).device, not self.prefix
        unembed = partial(logits_of, model)
        return choice_log_likelihoods(hidden_states, unembed, self.packed, self.batch_size, device, on_batch, share)

    def accuracy(self, model) -> float:
        """Share of questions whose likeliest choice is the answer."""
        return self.accuracy_of(self.log_likelihoods(model))

    def accuracy_of(self, scores: torch.Tensor) -> float:
        """The same from log-likelihoods (Q, C)."""
        return float((scores.argmax(-1).numpy() == self.table["answer"].to_numpy()).mean())

    def records(self, model, on_batch: Callable[[int], None] | None = None) -> pandas.DataFrame:
        """The table's columns with choice log-probabilities, entropy (nats), prediction, correctness."""
        return self.answered(self.log_likelihoods(model, on_batch))

    def answered(self, scores: torch.Tensor) -> pandas.DataFrame:
        """The same from log-likelihoods (Q, C)."""
        log_probabilities = scores.double().log_softmax(-1)
        entropy = -(log_probabilities.exp() * log_probabilities).sum(-1)
        prediction = scores.argmax(-1).numpy()
        return self.table.assign(
            log_likelihoods=list(scores.numpy()),
            entropy=entropy.numpy().astype(numpy.float32),
            prediction=prediction,
            correct=prediction == self.table["answer"].to_numpy(),
        )
