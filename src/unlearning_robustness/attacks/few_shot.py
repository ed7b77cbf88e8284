"""Few-shot prompting: answered questions about other entities stand before the question.

From inside the forget domain they are questions of the relearn pool, whose entities are never asked about, so that the
context holds no answer: what comes back was there. But each of them names a forget entity, which alone may break an
unlearned model; those from outside, select questions of the retain domain, do not. With ``answers: wrong`` each is
answered by one of its wrong choices: form without knowledge, the control.
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

# The role and the split of what is shown.
SHOWN_FROM = {"forget": ("forget", "relearn"), "retain": ("retain", "select")}


@dataclass(frozen=True)
class Shot:
    """An answered question as text, its entity and its relation."""

    entity: str
    relation: str
    text: str


@dataclass(frozen=True)
class FewShot:
    """Asks after k answered questions, for each k of ``shots``; a larger k prepends to the shots of a smaller one.

    ``answers``: each is shown with its ``right`` answer, or with a ``wrong`` one.
    ``role``: whose questions are shown, ``forget``, of the relearn split, or ``retain``, of the select split.
    ``relations``: ``any``, the same context for all questions; ``same``, first those of the question's own relation.
    """

    shots: Indices
    relations: Literal["any", "same"] = "any"
    answers: Literal["right", "wrong"] = "right"
    role: Literal["forget", "retain"] = "forget"

    class Facts(AttackFacts):
        @staticmethod
        def problems(settings: dict) -> Iterator[tuple[str, str]]:
            if settings["role"] == "retain" and settings["relations"] == "same":
                yield "relations", "retain questions have other relations than those asked; take any, or role: forget"

        @staticmethod
        def answered_from(settings: dict) -> tuple[str, str]:
            return SHOWN_FROM[settings["role"]]

        @staticmethod
        def answered_questions(settings: dict) -> tuple[str, int]:
            # One more, as none is shown before a question about its own entity.
            return "shots", max(settings["shots"]) + (settings["role"] == "retain" and max(settings["shots"]) > 0)

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
        role, split = SHOWN_FROM[self.role]
        table = attack.answered if split == "relearn" else attack.select
        pool = table[table["role"] == role] if table is not None else pandas.DataFrame()
        _, needed = self.Facts.answered_questions(vars(self))
        if len(pool) < needed:
            raise DataError(
                f"{max(self.shots)} shots need {needed} questions; the {split} split has {len(pool)} of {role}: "
                "lower attacks.*.parameters.shots"
            )
        draw = shuffler(attack.seed, "attack-shots")
        shots = [Shot(row.entity, row.relation, self._shown(row, draw)) for row in pool.itertuples()]
        draw.shuffle(shots)
        for count in self.shots:
            ask = self._behind(shots, count) if count else as_it_is
            yield AttackedModel(attack.model, {"steps": count}, f"{count} shots", ask)

    def _shown(self, row, draw) -> str:
        wrong = [index for index in range(len(row.choices)) if index != row.answer]
        index = row.answer if self.answers == "right" else draw.choice(wrong)
        return f"{row.prompt} {row.choices[index]}\n\n"

    def _behind(self, shots: list[Shot], count: int) -> Ask:
        def change(row) -> str:
            # Select questions are asked, too.
            others = [shot for shot in shots if shot.entity != row.entity]
            if self.relations == "same":
                others.sort(key=lambda shot: shot.relation != row.relation)
            return "".join(shot.text for shot in reversed(others[:count])) + row.prompt

        return lambda questions: questions.assign(prompt=[change(row) for row in questions.itertuples()])
