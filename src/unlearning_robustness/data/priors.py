"""What a model answers without knowing the entity: how likely it finds the answers of a relation about other entities.

Frequent, short and typical answers are likely whoever is asked about. Where the right one is the likeliest of four
options before the entity is read, a model that knows nothing is right, and its accuracy is not chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

from unlearning_robustness.data.facts import SWAPS, Relation
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.questions import QuestionScorer


@dataclass(frozen=True)
class Prior:
    """Scores (K, A) of a relation's A ``answers`` behind one template about K other entities.

    ``right`` are the answers (K,) that are right of these; there a score is knowledge, and no prior.
    """

    answers: tuple[str, ...]
    right: tuple[str, ...]
    scores: numpy.ndarray

    def of(self, options: Sequence[str]) -> numpy.ndarray:
        """Each option's mean score (O,) over the entities of which it is not right."""
        return numpy.array([self._column(option)[self._unlike(option)].mean() for option in options])

    def wins(self, choices: Sequence[str], answer: str) -> float:
        """The share of entities about which the likeliest of the choices is ``answer``, though it is not right."""
        scores = numpy.stack([self._column(choice) for choice in choices], axis=1)[self._unlike(answer)]
        return float((scores.argmax(1) == list(choices).index(answer)).mean())

    def _column(self, option: str) -> numpy.ndarray:
        return self.scores[:, self.answers.index(option)]

    def _unlike(self, option: str) -> numpy.ndarray:
        return numpy.array([right != option for right in self.right])


def priors_of(
    model, tokenizer, relations: Sequence[Relation], stated: dict[str, str], batch_size: int, seed: str
) -> dict[tuple[str, int], Prior]:
    """The prior of every (relation, template); ``stated`` are columns that all questions have beside their texts.

    The entities are drawn by ``seed``, as many of each right answer as can be, so that no frequent one stands for all.
    """
    priors = {}
    for relation in relations:
        answers = tuple(sorted({fact.answer for fact in relation.facts}))
        others = _swapped(relation, shuffler(seed, f"{relation.name}/prior"))
        prompts = [text.format(subject=fact.subject) for text in relation.templates for fact in others]
        table = pandas.DataFrame({"prompt": prompts, "choices": [list(answers)] * len(prompts), "answer": 0})
        # So many choices take as much memory in one row as the usual few in a batch.
        rows = max(1, batch_size // len(answers))
        scorer = QuestionScorer(tokenizer, table.assign(**stated), rows)
        scores = scorer.deciding(scorer.log_likelihoods(model)).reshape(len(relation.templates), len(others), -1)
        right = tuple(fact.answer for fact in others)
        priors |= {(relation.name, template): Prior(answers, right, part) for template, part in enumerate(scores)}
    return priors


def _swapped(relation: Relation, rng) -> list:
    """``SWAPS`` facts in random order, one of each answer before a second one of any."""
    facts = list(relation.facts)
    rng.shuffle(facts)
    seen: dict[str, int] = {}
    turns = []
    for fact in facts:
        turns.append(seen.get(fact.answer, 0))
        seen[fact.answer] = turns[-1] + 1
    order = sorted(range(len(facts)), key=turns.__getitem__)
    return [facts[index] for index in order[:SWAPS]]
