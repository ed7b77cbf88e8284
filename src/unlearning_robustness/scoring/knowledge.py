"""What a model knows of facts: how much likelier it finds the right choice than with another entity in the question.

Options, frequent series and weights give answers away, so a model that knows nothing is not at chance. Asked about
another entity with the same options it can only guess: what it answers there is the floor.
"""

from dataclasses import dataclass

import numpy
import pandas
import torch

from unlearning_robustness.errors import ScoreError
from unlearning_robustness.scoring.decision import right_log_probabilities
from unlearning_robustness.scoring.questions import QuestionScorer


def about_another_entity(questions: pandas.DataFrame, way: float = 0.5) -> pandas.DataFrame:
    """Each question's options and answer behind the prompt of a question about another entity, in the same order.

    The prompt comes from a question with as many choices, of the same relation and template, where it can. It is the
    first, from that share of the ``way`` round the table on, whose right answer is none of the options, else whose
    right answer is another one. Raises ScoreError where all questions are about one entity.
    """
    rows, prompts = list(questions.itertuples()), []
    for index, row in enumerate(rows):
        start = index + int(len(rows) * way)
        others = [rows[(start + offset) % len(rows)] for offset in range(len(rows))]
        others = [other for other in others if other.entity != row.entity]
        if not others:
            raise ScoreError(f"{row.question}: every question is about {row.entity!r}; ask about several entities")
        prompts.append(min(others, key=lambda other: _unlike(row, other)).prompt)
    return questions.assign(prompt=prompts)


def about_others(questions: pandas.DataFrame, swaps: int) -> pandas.DataFrame:
    """Each question of every role about ``swaps`` other entities, equally far round the table, each named apart."""
    parts = []
    for _, asked in questions.groupby("role", sort=False):
        for swap in range(swaps):
            part = about_another_entity(asked, (swap + 1) / (swaps + 1))
            parts.append(part.assign(question=part["question"] + f"/about-{swap}"))
    return pandas.concat(parts, ignore_index=True)


def _unlike(row, other) -> tuple[bool, bool, bool, bool]:
    """How badly the prompt of ``other`` serves ``row``, for ``min``, which keeps the first of equally good ones."""
    answer = other.choices[other.answer]
    elsewhere = (other.relation, other.template) != (row.relation, row.template)
    return (
        len(other.choices) != len(row.choices),
        elsewhere,
        answer == row.choices[row.answer],
        answer in list(row.choices),
    )


@dataclass
class KnowledgeScorer:
    """Facts, each asked about its own entity and about another one; ``asked`` has the former questions first."""

    asked: QuestionScorer

    @classmethod
    def of(cls, tokenizer, questions: pandas.DataFrame, batch_size: int) -> "KnowledgeScorer":
        """The scorer of a table of questions. Raises ScoreError where all are about one entity."""
        both = pandas.concat([questions, about_another_entity(questions)], ignore_index=True)
        return cls(QuestionScorer(tokenizer, both, batch_size))

    def margins(self, model) -> numpy.ndarray:
        """The probability of the right choice among the choices less that with another entity, (Q,), -1 to 1.

        Of a model that knows nothing their mean is 0. They move while answers stay as they are. Log-probabilities do
        too, but a few questions to which nobody gives a chance decide their mean.
        """
        return self.margins_of(self.asked.log_likelihoods(model))

    def margins_of(self, sums: torch.Tensor) -> numpy.ndarray:
        """The same from log-likelihoods (2 Q, C)."""
        deciding = self.asked.deciding(sums)
        right = right_log_probabilities(deciding, self.asked.table["answer"])
        own, other = numpy.exp(right).reshape(2, -1)
        return own - other

    def accuracies(self, model) -> tuple[float, float]:
        """The shares of right answers about the own entity and about another one, which is the floor."""
        own, floor = self.right_of(self.asked.log_likelihoods(model)).mean(-1)
        return float(own), float(floor)

    def right_of(self, sums: torch.Tensor) -> numpy.ndarray:
        """Whether log-likelihoods (2 Q, C) answer right, (2, Q): about the own entity and about another one."""
        return self.asked.answered(sums)["correct"].to_numpy().reshape(2, -1)
