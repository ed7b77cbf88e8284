"""Multiple choice by likelihood: one forward a question, the prompt shared by its choices.

A question becomes one row: the prompt, then the choices as a tree. A prefix that several choices share occurs once, and
their last tokens, which predict nothing, are left out. Position ids restart after the prompt for every choice and a
4-D mask lets a token see the prompt and its own choice only, so each choice gets exactly the log-likelihood it would
get alone behind the prompt. Only the positions that predict a choice token reach the unembedding. A prefix that
all prompts of a batch share, such as answered questions, can be run once. Where no choices branch, as single letters
do not, a row is a text like any other: it needs no mask, so that the fastest attention runs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import torch

from unlearning_robustness.models.shared_prefix import keys_and_values
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring.batching import split
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.packing import PackedQuestion


@dataclass(frozen=True)
class PackedBatch:
    """``input_ids`` and ``position_ids`` (B, T), ``mask`` bool (B, 1, T, T), True where attention is allowed.

    Where every row is a text like any other the mask is None, and positions go on through the padding behind it, which
    nothing attends to. ``number`` counts the batches of a question set. ``head`` are ids (H,) that precede every row;
    then the mask is (B, 1, T, H + T), and positions go on behind them. Row r of the flat prediction lists says: the
    hidden state at (``rows[r]``, ``columns[r]``) predicts token ``targets[r]`` of choice ``owner[r]``, counted over all
    rows' choices.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor | None
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    owner: torch.Tensor
    number: int = 0
    head: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))

    def behind(self, count: int) -> "PackedBatch":
        """The batch without the first ``count`` positions, alike in all rows; ``head`` holds their ids."""
        return replace(
            self,
            head=self.input_ids[0, :count],
            input_ids=self.input_ids[:, count:],
            position_ids=self.position_ids[:, count:],
            mask=None if self.mask is None else self.mask[:, :, count:],
            columns=self.columns - count,
        )


def collate(questions: Sequence[PackedQuestion], number: int = 0, pad_id: int = 0) -> PackedBatch:
    """Pad packed questions on the right into one batch, with a mask where one of them needs it."""
    count, width = len(questions), max(question.length for question in questions)
    causal = all(question.causal for question in questions)
    input_ids = torch.full((count, width), pad_id, dtype=torch.long)
    position_ids = torch.arange(width).repeat(count, 1)
    predictions = []
    for row, (question, numbers) in enumerate(zip(questions, choice_numbers(questions), strict=True)):
        prompt_length, column_of = len(question.prompt), question.columns
        input_ids[row, :prompt_length] = torch.tensor(question.prompt)
        for ids, column in column_of.items():
            if ids:
                input_ids[row, column] = ids[-1]
                position_ids[row, column] = prompt_length + len(ids) - 1
        if not causal:
            position_ids[row, question.length :] = 0
        for owner, choice in zip(numbers, question.choices, strict=True):
            predictions += [(row, column_of[choice[:length]], token, owner) for length, token in enumerate(choice)]
    rows, columns, targets, owner = torch.tensor(predictions).T
    mask = None if causal else tree_mask(questions)
    return PackedBatch(input_ids, position_ids, mask, rows, columns, targets, owner, number)


def tree_mask(questions: Sequence[PackedQuestion]) -> torch.Tensor:
    """Which positions of each row see which, bool (B, 1, T, T): the prompt, and a choice's own tokens before it."""
    width = max(question.length for question in questions)
    mask = torch.eye(width, dtype=torch.bool).repeat(len(questions), 1, 1)
    for row, question in enumerate(questions):
        prompt_length, column_of = len(question.prompt), question.columns
        mask[row, : question.length, :prompt_length] = True
        mask[row, :prompt_length, :prompt_length].tril_()
        for ids, column in column_of.items():
            mask[row, column, [column_of[ids[:length]] for length in range(1, len(ids))]] = True
    return mask[:, None]


def choice_numbers(questions: Sequence[PackedQuestion]) -> list[range]:
    """The numbers of each question's choices, counted over all questions."""
    ends = list(accumulate(len(question.choices) for question in questions))
    return [range(end - len(question.choices), end) for question, end in zip(questions, ends, strict=True)]


def by_question(scores: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """Scores (..., N) of one question's choices after the other's as (..., Q, C), C the largest of the ``counts``.

    Minus infinity, which no choice can be chosen by, stands where a question has fewer choices.
    """
    shape, per_question = (*scores.shape[:-1], len(counts), max(counts)), torch.tensor(counts)
    if (per_question == max(counts)).all():
        return scores.view(shape)
    has = torch.arange(max(counts)) < per_question[:, None]
    filled = scores.new_full(shape, -torch.inf)
    filled[..., has.to(scores.device)] = scores
    return filled


def run_packed(span: LayerSpan, batch: PackedBatch, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """The residual stream (B, T, d) that leaves a span; ``hidden`` is what enters it where it starts above layer 0."""
    entering = {"input_ids": batch.input_ids} if hidden is None else {"hidden": hidden}
    # Keys and values of what stands before a batch, where something does.
    before = keys_and_values(span, batch.head, len(batch.input_ids)) if len(batch.head) else None
    where = {"attention_mask": batch.mask, "position_ids": batch.position_ids}
    return span(**entering, **where, past_key_values=before)


@torch.no_grad()
def choice_log_likelihoods(
    hidden_states: Callable[[PackedBatch], torch.Tensor],
    unembed: Callable[[torch.Tensor], torch.Tensor],
    questions: Sequence[PackedQuestion],
    batch_size: int = 48,
    device: str | torch.device = "cpu",
    on_batch: Callable[[int], None] | None = None,
    share: bool = False,
) -> torch.Tensor:
    """Sum of log p(choice tokens | prompt) of each choice, float32 (N,), of one question after the other.

    ``hidden_states`` maps a batch to the last residual stream (B, T, d); ``unembed`` maps rows (R, d) to
    logits (R, V), which are taken in float32. Questions are batched as ``batching.split`` says. No length
    normalisation.

    Raises ScoreError naming the first question with a log-likelihood that is not finite.
    """
    if not questions:
        raise ValueError("no questions to score")
    numbers, done = choice_numbers(questions), 0
    result = torch.empty(numbers[-1].stop)
    for indices, batch in batches(questions, batch_size, device, share):
        scored = [number for index in indices for number in numbers[index]]
        result[scored] = batch_log_likelihoods(hidden_states(batch), unembed, batch)
        need_finite(result[scored], [questions[index].name for index in indices for _ in numbers[index]])
        done += len(indices)
        if on_batch:
            on_batch(done)
    return result


def batch_log_likelihoods(
    hidden: torch.Tensor, unembed: Callable[[torch.Tensor], torch.Tensor], batch: PackedBatch
) -> torch.Tensor:
    """The same for one batch from its last residual stream (B, T, d), on the CPU."""
    # A prompt's last position predicts the first token of every choice: unembed it once.
    position = batch.rows * hidden.shape[1] + batch.columns
    unique, inverse = position.unique(return_inverse=True)
    token = unembed(hidden.flatten(0, 1)[unique]).float().log_softmax(dim=-1)[inverse, batch.targets]
    total = token.new_zeros(int(batch.owner.max()) + 1)
    return total.index_add_(0, batch.owner, token).cpu()


def batches(
    questions: Sequence[PackedQuestion], batch_size: int, device: str | torch.device, share: bool = False
) -> Iterator[tuple[list[int], PackedBatch]]:
    """Batches with the indices of their questions, as ``batching.split`` makes them."""
    for number, chosen in enumerate(split(questions, batch_size, share)):
        batch = collate([questions[index] for index in chosen.indices], number)
        yield chosen.indices, to_device(batch.behind(chosen.head), device)


def to_device(batch: PackedBatch, device: str | torch.device) -> PackedBatch:
    """The same batch with every tensor on ``device``."""
    moved = {name: value.to(device) for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    return replace(batch, **moved)
