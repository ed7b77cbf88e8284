"""Soft prompt: trained vectors stand before the question where the embeddings of a text would.

The embedding attack of Schwinn et al. (arXiv 2402.09063) with one prompt for all questions; see ``input_search``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import InputFacts, Scoring
from unlearning_robustness.attacks.input_search import InputChange, search
from unlearning_robustness.attacks.insertion import Insertion
from unlearning_robustness.config.ranges import Bound, Count, Indices, Positive
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.shape import Shape, Work
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.packing import PackedQuestion, longest_input
from unlearning_robustness.scoring.questions import QuestionScorer


@dataclass(frozen=True)
class SoftPrompt:
    """Train ``vectors`` vectors on a line before the question; ask with the best of those after ``steps`` steps.

    A step is one of Adam on ``batch_size`` forget questions of the relearn split; ``learning_rate`` is a share of the
    root mean square of the embeddings. The vectors begin as embeddings of tokens of these questions. Of the ``steps``
    select questions choose, where retain accuracy may fall by ``utility_bound``; plain asking is a candidate.

    ``entity: another``: forget questions are asked about another entity, which is the floor under this attack.
    """

    vectors: Count
    steps: Indices
    learning_rate: Positive
    batch_size: Count
    utility_bound: Bound
    entity: Literal["own", "another"] = "own"

    class Facts(InputFacts):
        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            return InputFacts.training(settings, shape, scoring.length + settings["vectors"])

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model behind the best vectors after each number of steps; 0 steps are the plain question.

        Raises DataError where no question of the relearn split is there, or a question is too long with the vectors.
        """
        answered = attack.answered[attack.answered["role"] == "forget"]
        used = {index for prompt in answered["prompt"] for index in attack.tokenizer.encode(prompt)}
        embed, random = attack.model.get_input_embeddings(), generator(attack.seed, "attack-vectors")
        # It marks the room for the vectors; the largest one is seldom a word.
        mark = max(set(range(embed.num_embeddings)) - used)
        picked = torch.tensor(sorted(used))[torch.randint(len(used), (self.vectors,), generator=random)]
        start = embed(picked.to(embed.weight.device)).float()
        pack = partial(self._packed, attack.tokenizer, mark, longest_input(attack.model.config))
        yield from search(attack, InputChange(pack, partial(put, mark)), start, self)

    def _packed(self, tokenizer, mark: int, longest: int | None, scorer: QuestionScorer) -> list[PackedQuestion]:
        packed = []
        for slot in Insertion(tokenizer, scorer.table, "before").slots:
            if mark in (*slot.head, *slot.tail, *(index for choice in slot.choices for index in choice)):
                raise DataError(f"{slot.name}: token {mark} marks where trained vectors stand; reword the question")
            packed.append(PackedQuestion((*slot.head, *[mark] * self.vectors, *slot.tail), slot.choices, slot.name))
            if longest is not None and packed[-1].positions > longest:
                raise DataError(
                    f"{slot.name}: with {self.vectors} vectors it has {packed[-1].positions}, the model {longest} "
                    "positions: lower attacks.*.parameters.vectors"
                )
        return packed


def put(mark: int, ids: torch.Tensor, embeddings: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, T, d) with vectors (n, d) where ids (B, T) are ``mark``: the first one at the first, and so on."""
    marked = ids == mark
    number = (marked.cumsum(-1) - 1).clamp(0, len(vectors) - 1)
    return torch.where(marked[..., None], vectors[number], embeddings)
