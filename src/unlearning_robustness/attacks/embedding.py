"""Embedding perturbation: one trained vector is added to the embedding of every token that the model reads.

The continuous attack of Schwinn et al. (arXiv 2402.09063) with one vector for all tokens of all questions, and without
further positions; see ``input_search``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import InputFacts, Scoring
from unlearning_robustness.attacks.input_search import InputChange, search
from unlearning_robustness.config.ranges import Bound, Count, Indices, Positive
from unlearning_robustness.models.shape import Shape, Work


@dataclass(frozen=True)
class EmbeddingPerturbation:
    """Train a vector no longer than ``radius`` mean norms of the embeddings; use the best of those after ``steps``.

    A step is one of Adam on ``batch_size`` forget questions of the relearn split; ``learning_rate`` is a share of the
    root mean square of the embeddings. Of the ``steps`` select questions choose, where retain accuracy may fall by
    ``utility_bound``; plain asking is a candidate.

    ``entity: another``: forget questions are asked about another entity, which is the floor under this attack.
    """

    radius: Positive
    steps: Indices
    learning_rate: Positive
    batch_size: Count
    utility_bound: Bound
    entity: Literal["own", "another"] = "own"

    class Facts(InputFacts):
        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            return InputFacts.training(settings, shape, scoring.length)

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model that reads the best vector after each number of steps; 0 steps are the plain question.

        Raises DataError where no question of the relearn split is there.
        """
        weight = attack.model.get_input_embeddings().weight
        longest = self.radius * weight.float().norm(dim=-1).mean().item()

        def bound(vector: torch.Tensor) -> torch.Tensor:
            return vector * min(1.0, longest / vector.norm().clamp_min(1e-30).item())

        change = InputChange(lambda scorer: scorer.packed, lambda _, embeddings, vector: embeddings + vector[0], bound)
        start = torch.zeros(1, weight.shape[1], device=weight.device)
        yield from search(attack, change, start, self)
