"""Few-shot prompting: answered questions about other entities stand before the question.

They are questions of the relearn pool, whose entities are never asked about, so that the context holds no answer:
what comes back was there. With ``answers: wrong`` each is answered by one of its wrong choices: form without
knowledge, the control.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

import pandas

from unlearning_robustness.attacks.base import Ask, AttackedModel, AttackInput, as_it_is
from unlearning_robustness.attacks.facts import SHOT_TOKENS, AttackFacts, Scoring
from unlearning_robustness.config.ranges import Indices
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.shape import Shape, Work
from unlearning_robustness.runtime.seeds import shuffler


@dataclass(frozen=True)
class FewShot:
    """Asks after k answered questions, for each k of ``shots``; a larger k prepends to the shots of a smaller one.

    ``answers``: each is shown with its ``right`` answer, or with a ``wrong`` one.
    ``relations``: ``any``, the same context for all questions; ``same``, first those of the question's own relation.
    """

    shots: Indices
    relations: Literal["any", "same"] = "any"
    answers: Literal["right", "wrong"] = "right"

    class Facts(AttackFacts):
        shows_answers = True

        @staticmethod
        def answered_questions(settings: dict) -> tuple[str, int]:
            return "shots", max(settings["shots"])

        @staticmethod
        def scored_points(settings: dict) -> int:
            return len(settings["shots"])

        @staticmethod
        def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
            # Answered questions are alike in all prompts, and run once for a batch.
            batches, layers = ceil(scoring.questions / scoring.batch_size), shape.num_hidden_layers
            shown = sum(settings["shots"]) * SHOT_TOKENS * shape.forward(layers, head=False)
            return Work(batches * shown, batches * sum(map(bool, settings["shots"])) * layers)

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the model after each number of answered questions; a step is one of them, 0 is the plain question.

        Raises DataError when the pool is too small.
        """
        pool = attack.answered
        pool = pool[pool["role"] == "forget"] if pool is not None else pandas.DataFrame()
        if len(pool) < max(self.shots):
            raise DataError(
                f"{max(self.shots)} shots need as many questions; the relearn split has {len(pool)}: "
                "lower attacks.*.parameters.shots"
            )
        draw = shuffler(attack.seed, "attack-shots")
        shown = [(row.relation, self._shown(row, draw)) for row in pool.itertuples()]
        draw.shuffle(shown)
        for count in self.shots:
            ask = self._behind(shown, count) if count else as_it_is
            yield AttackedModel(attack.model, {"steps": count}, f"{count} shots", ask)

    def _shown(self, row, draw) -> str:
        wrong = [index for index in range(len(row.choices)) if index != row.answer]
        index = row.answer if self.answers == "right" else draw.choice(wrong)
        return f"{row.prompt} {row.choices[index]}\n\n"

    def _behind(self, shown: list[tuple[str, str]], count: int) -> Ask:
        def change(row) -> str:
            order = sorted(shown, key=lambda shot: shot[0] != row.relation) if self.relations == "same" else shown
            return "".join(text for _, text in reversed(order[:count])) + row.prompt

        return lambda questions: questions.assign(prompt=[change(row) for row in questions.itertuples()])
