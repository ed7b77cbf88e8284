"""Score a table of questions with a model: one record a question."""

from collections.abc import Callable

import numpy
import pandas
import torch

from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import PackedBatch, choice_log_likelihoods, pack


class QuestionScorer:
    """A table of questions, tokenised once, scored as often as the model changes.

    The table has columns ``prompt``, ``choices`` and ``answer``; all questions have equally many choices.
    """

    def __init__(self, tokenizer, table: pandas.DataFrame, batch_size: int):
        self.table = table.reset_index(drop=True)
        self.packed = [pack(tokenizer, row.prompt, row.choices) for row in self.table.itertuples()]
        self.batch_size = batch_size

    def log_likelihoods(self, model, on_batch: Callable[[int], None] | None = None) -> torch.Tensor:
        """Log-likelihood of each choice, float32 (Q, C)."""
        span = LayerSpan(model, 0, model.config.num_hidden_layers)

        def hidden_states(batch: PackedBatch) -> torch.Tensor:
            return span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids)

        device = next(model.parameters()).device
        return choice_log_likelihoods(
            hidden_states, lambda hidden: logits_of(model, hidden), self.packed, self.batch_size, device, on_batch
        )

    def accuracy(self, model) -> float:
        """Share of questions whose likeliest choice is the answer."""
        predicted = self.log_likelihoods(model).argmax(-1).numpy()
        return float((predicted == self.table["answer"].to_numpy()).mean())

    def records(self, model, on_batch: Callable[[int], None] | None = None) -> pandas.DataFrame:
        """The table's columns with choice log-probabilities, entropy (nats), prediction, correctness."""
        scores = self.log_likelihoods(model, on_batch)
        log_probabilities = scores.double().log_softmax(-1)
        entropy = -(log_probabilities.exp() * log_probabilities).sum(-1)
        prediction = scores.argmax(-1).numpy()
        return self.table.assign(
            log_likelihoods=list(scores.numpy()),
            entropy=entropy.numpy().astype(numpy.float32),
            prediction=prediction,
            correct=prediction == self.table["answer"].to_numpy(),
        )
