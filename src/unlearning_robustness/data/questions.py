"""Facts become multiple-choice questions, split by entity; only what the reference knows is kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas

from unlearning_robustness.data import elements, geography, symbols
from unlearning_robustness.data.facts import Fact, Relation
from unlearning_robustness.data.world import World
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.decision import SUM

DOMAINS = {"elements": elements, "geography": geography, "symbols": symbols}


def domain_of(settings: dict, role: str):
    """The domain of a benchmark's role; ``settings`` is the benchmark's resolved entry."""
    return World(settings["world"]).domains[role] if "world" in settings else DOMAINS[settings[role]["domain"]]


@dataclass(frozen=True)
class Question:
    """One multiple-choice question; ``answer`` indexes ``choices``. A fact has one question a template.

    ``decided_by`` is the score that decides which choice a model answers, one of ``scoring.decision.RULES``; ``before``
    and ``after`` are what a chat template puts around the prompt.
    """

    question: str
    fact: str
    entity: str
    relation: str
    role: str
    split: str
    template: int
    prompt: str
    choices: tuple[str, ...]
    answer: int
    decided_by: str = SUM
    before: str = ""
    after: str = ""


def assign_splits(entities: Sequence[str], shares: dict[str, int]) -> dict[str, str]:
    """Deal entities to splits in their own order, ``shares`` at a time: every split spans the whole range."""
    cycle = [split for split, share in shares.items() for _ in range(share)]
    # Interleave, so that neighbours in the order (elements by atomic number) go to different splits.
    cycle = [split for _, split in sorted((_rank(cycle, index), split) for index, split in enumerate(cycle))]
    return {entity: cycle[index % len(cycle)] for index, entity in enumerate(entities)}


def _rank(cycle: list[str], index: int) -> float:
    split = cycle[index]
    return (cycle[:index].count(split) + 0.5) / cycle.count(split)


def draw_choices(fact: Fact, count: int, rng) -> list[str]:
    """``count`` wrong answers, hard ones first; raises DataError when the fact has too few."""
    fact.need(count)
    wrong = rng.sample(fact.hard, min(count, len(fact.hard)))
    return wrong + rng.sample(fact.easy, count - len(wrong))


def at_random(relation: str, fact: Fact, template: int, count: int, rng) -> list[str]:
    """``count`` wrong answers that ``rng`` draws, hard ones first, whatever is likely."""
    return draw_choices(fact, count, rng)


def build_questions(
    relations: Iterable[Relation],
    role: str,
    splits: dict[str, str],
    distractors: int,
    seed: str,
    wrong: Callable[..., list[str]] = at_random,
) -> list[Question]:
    """Every fact through every template, each with distractors drawn anew and choices in random order.

    ``wrong`` draws them, with the arguments of ``at_random``.
    """
    questions = []
    for relation in relations:
        for fact in relation.facts:
            slug = "".join(letter if letter.isalnum() else "-" for letter in fact.entity.lower())
            fact_id = f"{role}/{relation.name}/{slug}"
            for template, text in enumerate(relation.templates):
                rng = shuffler(seed, f"{fact_id}/{template}")
                choices = [fact.answer, *wrong(relation.name, fact, template, distractors, rng)]
                rng.shuffle(choices)
                questions.append(
                    Question(
                        question=f"{fact_id}/{template}",
                        fact=fact_id,
                        entity=fact.entity,
                        relation=relation.name,
                        role=role,
                        split=splits[fact.entity],
                        template=template,
                        prompt=text.format(subject=fact.subject),
                        choices=tuple(choices),
                        answer=choices.index(fact.answer),
                    )
                )
    return questions


def keep_known(questions: Sequence[Question], correct: Sequence[bool]) -> list[Question]:
    """Keep the facts of which every template was answered correctly."""
    unknown = {question.fact for question, right in zip(questions, correct, strict=True) if not right}
    return [question for question in questions if question.fact not in unknown]


def limit(questions: Sequence[Question], templates_asked: int, most: dict[str, int], seed: str) -> list[Question]:
    """At most ``templates_asked`` questions a fact and ``most[split]`` facts a split, drawn by ``seed``.

    A fact asked in fewer templates than it has is asked in randomly chosen ones.
    """
    facts: dict[str, list[Question]] = {}
    for question in questions:
        facts.setdefault(question.fact, []).append(question)
    rng = shuffler(seed, "limit")
    kept, order, facts_of_split = set(), sorted(facts), {}
    rng.shuffle(order)
    for fact in order:
        split = facts[fact][0].split
        if facts_of_split.get(split, 0) < most.get(split, len(order)):
            facts_of_split[split] = facts_of_split.get(split, 0) + 1
            chosen = rng.sample(facts[fact], min(templates_asked, len(facts[fact])))
            kept.update(question.question for question in chosen)
    return [question for question in questions if question.question in kept]


def to_table(questions: Sequence[Question]) -> pandas.DataFrame:
    """One row a question; ``choices`` is a list column."""
    return pandas.DataFrame([{**vars(question), "choices": list(question.choices)} for question in questions])


def from_table(table: pandas.DataFrame) -> list[Question]:
    """The inverse of :func:`to_table`; columns that a question does not have are left out."""
    names = [name for name in Question.__dataclass_fields__ if name in table]
    return [Question(**{**row, "choices": tuple(row["choices"])}) for row in table[names].to_dict("records")]
