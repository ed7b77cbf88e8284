"""Which questions are run together: batches with little padding, within bounds of questions and of positions.

A prefix that all prompts of a batch share, such as answered questions, can be run once; then batches end where that
prefix does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unlearning_robustness.models.shared_prefix import shared_by, worth_sharing
from unlearning_robustness.scoring.packing import PackedQuestion

# A batch of long prompts has fewer questions: no more positions than a full one has with so many a question.
LONG = 128
# What one more pass through all layers costs, in positions.
PASS = 64


@dataclass
class Batch:
    """Indices of questions that are run together, and how many positions that takes, padding included.

    With ``share`` the prefix that all their prompts share is run once, where that saves enough.
    """

    share: bool
    first: PackedQuestion
    indices: list[int] = field(default_factory=list)
    shared: int = 0
    shortest: int = 0
    width: int = 0

    @classmethod
    def of(cls, index: int, question: PackedQuestion, share: bool) -> "Batch":
        """A batch of one question."""
        return cls(share, question, [index], len(question.prompt), len(question.prompt), question.length)

    def with_question(self, index: int, question: PackedQuestion) -> "Batch":
        """The batch with one more."""
        shared = shared_by(self.first.prompt, question.prompt, self.shared) if self.share else 0
        shortest, width = min(self.shortest, len(question.prompt)), max(self.width, question.length)
        return Batch(self.share, self.first, [*self.indices, index], shared, shortest, width)

    @property
    def head(self) -> int:
        """The number of ids that all prompts share and that are run once."""
        return worth_sharing(self.shared, self.shortest, self.width, len(self.indices)) if self.share else 0

    @property
    def positions(self) -> int:
        """What goes through the model."""
        return self.head + len(self.indices) * (self.width - self.head)

    @property
    def cost(self) -> int:
        """The same, and its passes: a prefix takes one of its own."""
        return self.positions + PASS * (1 + (self.head > 0))


def split(questions: Sequence[PackedQuestion], batch_size: int, share: bool = False) -> list[Batch]:
    """The questions in batches; the same questions give the same ones.

    They are in order of length, those that need no mask (``PackedQuestion.causal``) before the others; or, with
    ``share``, in order of their prompts where that costs less.
    """
    numbers = range(len(questions))
    by_length = sorted(numbers, key=lambda index: (not questions[index].causal, questions[index].length))
    alone = _cut(questions, by_length, batch_size, share=False)
    if not share:
        return alone
    by_prompt = sorted(numbers, key=lambda index: questions[index].prompt)
    together = _cut(questions, by_prompt, batch_size, share=True)
    return min(together, alone, key=lambda batches: sum(batch.cost for batch in batches))


def _cut(questions: Sequence[PackedQuestion], order: Iterable[int], batch_size: int, share: bool) -> list[Batch]:
    """An order cut where a batch is full, where masks begin, or where a question costs more in it than alone."""
    batches: list[Batch] = []
    for index in order:
        alone = Batch.of(index, questions[index], share)
        last = batches[-1] if batches else None
        wider = last and last.with_question(index, questions[index])
        if wider and _fits(wider, batch_size) and _gains(last, alone, wider):
            batches[-1] = wider
        else:
            batches.append(alone)
    return batches


def _fits(batch: Batch, batch_size: int) -> bool:
    return len(batch.indices) <= batch_size and batch.positions <= batch_size * LONG


def _gains(last: Batch, alone: Batch, wider: Batch) -> bool:
    """Whether a question may join a batch: in order of length where both need a mask or none, else where it pays."""
    if wider.share:
        return wider.cost <= last.cost + alone.cost
    return last.first.causal == alone.first.causal
