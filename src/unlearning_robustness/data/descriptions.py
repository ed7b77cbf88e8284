"""Questions that describe their entity instead of naming it: by another name, or by another fact about it.

Unlearning may have cut the name from its facts alone (The Unlearning Mirage, arXiv 2603.11266). A domain's
``described`` maps a kind of description, ``alias`` or ``multi-hop``, to rows (entity, relations that it answers,
words). The first one is taken that fits no other entity and neither names it nor answers the question.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from unlearning_robustness.data.questions import DOMAINS, Question


def alias(question: Question, words: Sequence[str], rng) -> Question | None:
    """The entity by another name: "The atomic number of Fe is". None where it has none."""
    return _described(question, "alias")


def multi_hop(question: Question, words: Sequence[str], rng) -> Question | None:
    """The entity by another fact: "The country whose capital is Oslo is a country in". None where it has none."""
    return _described(question, "multi-hop")


def _described(question: Question, kind: str) -> Question | None:
    template, named = _templates().get((question.relation, question.entity, question.template), ("", None))
    if question.prompt != named:
        return None
    entity, answer = question.entity.lower(), question.choices[question.answer].lower()
    for answers, words in _descriptions(kind)[question.entity]:
        if question.relation not in answers and entity not in words.lower() and answer not in words.lower().split():
            return replace(question, prompt=_filled(template, words))
    return None


def _filled(template: str, words: str) -> str:
    """The template about what is described; "the element the element with" says so once."""
    before, behind = template.split("{subject}")
    noun = " ".join(words.split()[:2])
    if before.lower().endswith(f"{noun} "):
        before, words = before.removesuffix(" "), words.removeprefix(noun)
    prompt = f"{before}{words}{behind}"
    return f"{prompt[0].upper()}{prompt[1:]}"


@cache
def _templates() -> dict[tuple[str, str, int], tuple[str, str]]:
    """By relation, entity and number of the template: the template, and the prompt that names the entity.

    Left out are relations whose subject is no name of the entity but, for instance, its symbol.
    """
    return {
        (relation.name, fact.entity, number): (template, template.format(subject=fact.subject))
        for domain in DOMAINS.values()
        for relation in domain.relations()
        for fact in relation.facts
        if fact.entity.endswith(fact.subject)
        for number, template in enumerate(relation.templates)
    }


@cache
def _descriptions(kind: str) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """By entity, the relations that a description of this kind answers, and its words."""
    rows = [row for domain in DOMAINS.values() for row in getattr(domain, "described", dict)().get(kind, ())]
    fitting, chosen = [words for *_, words in rows], defaultdict(list)
    for entity, answers, words in rows:
        if fitting.count(words) == 1:
            chosen[entity].append((answers, words))
    return chosen
