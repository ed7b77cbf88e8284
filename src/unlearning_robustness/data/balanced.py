"""Options that do not give the answer away: wrong ones that a model finds about as likely before it reads the entity.

Of every four facts of a relation and split the right option is once the likeliest of its question under the prior, once
the second, the third and the last, so a model that answers by its prior is at chance. The rule reads the prior alone,
never what the model answers when it is asked about the entity itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy

from unlearning_robustness.data.facts import Fact, Relation
from unlearning_robustness.data.priors import Prior
from unlearning_robustness.runtime.seeds import shuffler

# An option is drawn among so many times as many of nearest prior, so that templates and seeds differ.
SPREAD = 2
# By how much a fact's place differs from one template to the next.
TURN = 2
# A question gives its answer away where the right option is the likeliest about more than this share of other entities.
MOST = 0.5


@dataclass(frozen=True)
class Balanced:
    """Draws the wrong answers of a fact's question, given the ``priors`` by (relation, template).

    ``places`` says by (relation, entity) how many of them are to be likelier than the right one in the first template;
    without places all are.
    """

    priors: Mapping[tuple[str, int], Prior]
    places: Mapping[tuple[str, str], int] | None = None

    def __call__(self, relation: str, fact: Fact, template: int, count: int, rng) -> list[str]:
        """``count`` wrong answers; raises DataError when the fact has too few."""
        likelier = count
        if self.places is not None:
            likelier = (self.places[relation, fact.entity] + TURN * template) % (1 + count)
        return balanced(fact, count, self.priors[relation, template], likelier, rng)


def places_of(relations: Iterable[Relation], splits: Mapping[str, str], seed: str) -> dict[tuple[str, str], int]:
    """By (relation, entity) 0, 1, 2, … in a drawn order of the facts of each relation and split."""
    places = {}
    for relation in relations:
        facts, counts = list(relation.facts), {}
        shuffler(seed, f"{relation.name}/places").shuffle(facts)
        for fact in facts:
            split = splits[fact.entity]
            places[relation.name, fact.entity] = counts[split] = counts.get(split, -1) + 1
    return places


def balanced(fact: Fact, count: int, prior: Prior, likelier: int, rng) -> list[str]:
    """``count`` wrong answers near the right one's prior, ``likelier`` of them above it where there are so many.

    Hard ones first, as where they are drawn at random. Raises DataError when the fact has too few.
    """
    fact.need(count)
    fixed, candidates = ([], fact.hard) if len(fact.hard) > count else (list(fact.hard), fact.easy)
    right, *taken = prior.of([fact.answer, *fixed])
    likelier = max(0, likelier - sum(score > right for score in taken))
    return fixed + _nearest(candidates, prior.of(candidates) - right, count - len(fixed), likelier, rng)


def _nearest(candidates: Sequence[str], excess: numpy.ndarray, count: int, likelier: int, rng) -> list[str]:
    """``count`` candidates, ``likelier`` of them with positive ``excess``, each side drawn among its nearest ones."""
    order = numpy.argsort(numpy.abs(excess), kind="stable")
    higher = [candidates[index] for index in order if excess[index] > 0]
    lower = [candidates[index] for index in order if excess[index] <= 0]
    likelier = min(max(likelier, count - len(lower)), len(higher), count)
    drawn = [(higher, likelier), (lower, count - likelier)]
    return [option for side, number in drawn for option in rng.sample(side[: SPREAD * number], number)]


def given_away(question, priors: Mapping[tuple[str, int], Prior]) -> float:
    """In what share of questions about other entities the right option of a question is the likeliest."""
    return priors[question.relation, question.template].wins(question.choices, question.choices[question.answer])


def too_many(questions: Sequence, priors: Mapping[tuple[str, int], Prior]) -> set[str]:
    """The questions that give their answer away beyond what chance allows, those that do so most often first.

    Of C options chance alone makes the right one the likeliest of one question in C; so many questions of each
    relation, split and template may stay.
    """
    groups: dict[tuple, list] = {}
    for question in questions:
        groups.setdefault((question.relation, question.split, question.template), []).append(question)
    excess = set()
    for group in groups.values():
        shares = {question.question: given_away(question, priors) for question in group}
        often = sorted((name for name, share in shares.items() if share > MOST), key=lambda name: (-shares[name], name))
        excess.update(often[: max(0, len(often) - len(group) // len(group[0].choices))])
    return excess
