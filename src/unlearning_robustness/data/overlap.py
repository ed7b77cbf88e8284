"""How much of some texts stands in others, in the same words: equal texts, and nearly equal ones."""

from collections.abc import Iterable, Sequence

import pandas

from unlearning_robustness.data.equal_texts import NEAR, RUN, normal_form, repeated
from unlearning_robustness.data.ngrams import words
from unlearning_robustness.data.probes import around_stem, is_lettered
from unlearning_robustness.data.questions import Question, from_table

# Corpora that attackers train on.
ATTACKERS = ("relearn", "neighbour", "benign")


def runs(text: str) -> set[tuple[str, ...]]:
    """All runs of ``RUN`` words of a text; of a shorter text all of its words."""
    all_words = words(text)
    return _runs_of(all_words, min(RUN, len(all_words))) if all_words else set()


def overlap(texts: Sequence[str], others: Iterable[str]) -> dict[str, int]:
    """How many ``texts`` there are, how many are ``equal`` to one of the others, and how many nearly so.

    ``near`` are those at least half of whose runs of eight words stand in the others, equal ones left out. A text of
    fewer words is one run, and stands in another where all its words do, one after another.
    """
    others = list(others)
    known = {normal_form(text) for text in others}
    sizes = {min(RUN, len(words(text))) for text in texts}
    there = {run for text in others for size in sizes for run in _runs_of(words(text), size)}
    equal = [normal_form(text) in known for text in texts]
    near = [not same and _share(runs(text), there) >= NEAR for text, same in zip(texts, equal, strict=True)]
    return {"texts": len(texts), "equal": sum(equal), "near": sum(near)}


def _runs_of(all_words: Sequence[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(all_words[start : start + size]) for start in range(len(all_words) - size + 1)}


def _share(some: set, there: set) -> float:
    return len(some & there) / len(some) if some else 0.0


def statement(question: Question) -> str:
    """A question with its right answer in words, without its options and what stands before it."""
    if not is_lettered(question):
        return f"{question.prompt} {question.choices[question.answer]}"
    _, stem, options = around_stem(question)
    letter = question.choices[question.answer]
    right = next((line[3:] for line in options.split("\n") if line.startswith(f"{letter}. ")), "")
    return f"{stem} {right}"


def repetitions(corpora: pandas.DataFrame) -> dict[str, dict[str, int]]:
    """By corpus, how many texts it has and how many repeat another one of it."""
    return {
        name: {"texts": len(part), "repeated": repeated(list(part["text"]))} for name, part in corpora.groupby("corpus")
    }


def overlaps(corpora: pandas.DataFrame, questions: pandas.DataFrame) -> list[dict]:
    """Forget texts that stand in retain texts, and test questions of each role in what attackers train on."""
    texts = {name: list(part["text"]) for name, part in corpora.groupby("corpus")}
    rows = [{"of": "forget texts", "within": "retain", **overlap(texts["forget"], texts["retain"])}]
    tested = questions[questions["split"] == "test"].drop_duplicates("fact")
    for role, part in tested.groupby("role"):
        stated = [statement(question) for question in from_table(part)]
        rows += [
            {"of": f"{role} questions", "within": name, **overlap(stated, texts[name])}
            for name in ATTACKERS
            if name in texts
        ]
    return rows
