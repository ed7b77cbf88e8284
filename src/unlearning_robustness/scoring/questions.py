"""Score a table of questions with a model: one record a question."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy
import pandas
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.float32_head import with_float32_head
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.scoring.decision import BYTE_MEAN, SUM, TOKEN_MEAN, all_divisors, tied
from unlearning_robustness.scoring.encoding import special_tokens
from unlearning_robustness.scoring.multiple_choice import (
    PackedBatch,
    batches,
    by_question,
    choice_log_likelihoods,
    run_packed,
)
from unlearning_robustness.scoring.packing import PackedQuestion, cut, longest_input, pack


def select_questions(questions: pandas.DataFrame, role: str) -> pandas.DataFrame:
    """The questions of a role in the select split, one template a fact: settings are chosen on these."""
    return questions[(questions["split"] == "select") & (questions["role"] == role)].drop_duplicates("fact")


def frames_of(questions: pandas.DataFrame) -> list[tuple[str, str]]:
    """What stands before and after the prompt of each question, in a chat template; nothing in plain text."""
    blank = [""] * len(questions)
    return list(zip(questions.get("before", blank), questions.get("after", blank), strict=True))


class QuestionScorer:
    """A table of questions, tokenised once, scored with any number of models.

    The table has columns ``prompt``, ``choices`` and ``answer``. Of C choices, the most that a question has, those that
    a question lacks have a log-likelihood of minus infinity. A column
    ``decided_by`` names the score that decides each question, without it the sum, and ``question`` names it in errors.
    What a chat template puts around the prompt is in ``before`` and ``after``.
    """

    def __init__(self, tokenizer, table: pandas.DataFrame, batch_size: int):
        self.table = table.reset_index(drop=True)
        names = self.table["question"] if "question" in self.table else [""] * len(self.table)
        self.packed = [
            pack(tokenizer, row.prompt, row.choices, name, *frame)
            for row, name, frame in zip(self.table.itertuples(), names, frames_of(self.table), strict=True)
        ]
        self.special_tokens = special_tokens(tokenizer)
        if self.special_tokens["eos"]:
            print(
                "the tokenizer appends an end of sequence: as in lm-eval, it then stands between prompt and choice and "
                "the choice loses its first token; set add_eos_token to false in tokenizer_config.json",
                flush=True,
            )
        self.rows, self.longest = self.packed, None
        self.batch_size = batch_size
        self.first_layer = 0
        self.prefix: list[torch.Tensor] = []

    def repacked(self, packed: Sequence[PackedQuestion]) -> "QuestionScorer":
        """A scorer of the same questions with other ids, one row each, without a prefix."""
        other = copy.copy(self)
        other.packed = other.rows = list(packed)
        other.longest, other.first_layer, other.prefix = None, 0, []
        return other

    def fit(self, model) -> None:
        """Cut the prompts that are too long for the model from the left, as lm-eval does, and say how many they are.

        Raises DataError for a question with a token that the model has no embedding for.
        """
        longest, words = longest_input(model.config), model.get_input_embeddings().num_embeddings
        if beyond := next((question for question in self.packed if question.largest_id >= words), None):
            raise DataError(
                f"{beyond.name}: the tokenizer gives it token {beyond.largest_id}, the model has {words} embeddings: "
                "reword the question, or give the model's own tokenizer"
            )
        if longest == self.longest:
            return
        self.rows, self.longest = [row for question in self.packed for row in cut(question, longest)], longest
        if count := int((self.tokens_cut > 0).sum()):
            print(
                f"{count} of {len(self.packed)} questions are longer than the model's {longest} positions: their "
                "prompts are cut from the left, as lm-eval cuts them",
                flush=True,
            )

    @property
    def tokens_cut(self) -> numpy.ndarray:
        """How many tokens each question is longer than the model that was last asked, (Q,)."""
        positions = numpy.array([question.positions for question in self.packed])
        return numpy.maximum(positions - (self.longest or positions), 0)

    @property
    def facts(self) -> dict:
        """What a manifest says of how the questions were asked."""
        cut_questions = int((self.tokens_cut > 0).sum())
        return {"special_tokens": self.special_tokens, "longest_input": self.longest, "questions_cut": cut_questions}

    def keep_prefix(self, model, first_layer: int) -> None:
        """Run the layers below ``first_layer`` once for every later scoring.

        Scores stay the same as long as only layers from ``first_layer`` on change. Below the first layer are only the
        embeddings, which may change with it, so nothing is kept then.
        """
        self.first_layer, self.prefix = 0, []
        self.extend_prefix(model, first_layer)

    @torch.no_grad()
    def extend_prefix(self, model, first_layer: int) -> None:
        """The same, from where the kept prefix ends, if that is below: its layers must be as they were."""
        self.fit(model)
        if first_layer < self.first_layer:
            self.first_layer, self.prefix = 0, []
        if first_layer == self.first_layer:
            return
        span, device = LayerSpan(model, self.first_layer, first_layer), next(model.parameters()).device
        every = enumerate(batches(self.rows, self.batch_size, device))
        self.prefix = [run_packed(span, batch, self.prefix[at] if self.prefix else None) for at, (_, batch) in every]
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

        Raises ScoreError naming the first question with a log-likelihood that is not finite.
        """
        self.fit(model)
        span = LayerSpan(model, self.first_layer, model.config.num_hidden_layers)

        def hidden_states(batch: PackedBatch) -> torch.Tensor:
            return run_packed(span, batch, self.prefix[batch.number] if self.prefix else None)

        device, share = next(model.parameters()).device, not self.prefix
        unembed = partial(logits_of, with_float32_head(model))
        scores = choice_log_likelihoods(hidden_states, unembed, self.rows, self.batch_size, device, on_batch, share)
        return self.by_question(scores)

    def by_question(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (..., N) of all choices, one question's after the other's, as (..., Q, C)."""
        return by_question(scores, [len(question.choices) for question in self.packed])

    def accuracy(self, model) -> float:
        """Share of questions whose likeliest choice is the answer."""
        return self.accuracy_of(self.log_likelihoods(model))

    def accuracy_of(self, sums: torch.Tensor) -> float:
        """The same from log-likelihoods (Q, C)."""
        return float((self.deciding(sums).argmax(-1) == self.table["answer"].to_numpy()).mean())

    def deciding(self, sums: torch.Tensor) -> numpy.ndarray:
        """Of log-likelihoods (Q, C) the scores that decide each question, float64 (Q, C)."""
        return self.by(self.table.get("decided_by", [SUM] * len(self.table)), sums)

    def by(self, rules: Sequence[str], sums: torch.Tensor) -> numpy.ndarray:
        """Log-likelihoods (Q, C) as the rule of each question compares them, float64 (Q, C)."""
        tokens = [question.choices for question in self.packed]
        return sums.double().numpy() / all_divisors(rules, self.table["choices"], tokens)

    def records(self, model, on_batch: Callable[[int], None] | None = None) -> pandas.DataFrame:
        """The table's columns with choice log-probabilities, entropy (nats), prediction, correctness."""
        return self.answered(self.log_likelihoods(model, on_batch))

    def answered(self, sums: torch.Tensor) -> pandas.DataFrame:
        """The same from log-likelihoods (Q, C)."""
        deciding = self.deciding(sums)
        means = {
            rule: self._own(self.by([rule] * len(self.table), sums).astype(numpy.float32))
            for rule in (TOKEN_MEAN, BYTE_MEAN)
        }
        log_probabilities = sums.double().log_softmax(-1)
        # What a question lacks has no probability: 0 log 0 is 0.
        entropy = -(log_probabilities.exp() * log_probabilities).nan_to_num().sum(-1)
        prediction = deciding.argmax(-1)
        by_default = {} if "decided_by" in self.table else {"decided_by": SUM}
        return self.table.assign(
            **by_default,
            log_likelihoods=self._own(sums.numpy()),
            token_means=means[TOKEN_MEAN],
            byte_means=means[BYTE_MEAN],
            entropy=entropy.numpy().astype(numpy.float32),
            prediction=prediction,
            correct=prediction == self.table["answer"].to_numpy(),
            tied=tied(deciding),
            tokens_cut=self.tokens_cut,
        )

    def _own(self, scores: numpy.ndarray) -> list[numpy.ndarray]:
        """Of scores (Q, C) those of the choices that each question has."""
        return [row[: len(question.choices)] for row, question in zip(scores, self.packed, strict=True)]
