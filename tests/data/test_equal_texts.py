"""Equal texts are one entity, repetitions are said, and overlaps of texts and questions counted."""

import pandas
import pytest

from unlearning_robustness.data.equal_texts import joined_entities, repeated, repetition_line
from unlearning_robustness.data.items import answered, lettered
from unlearning_robustness.data.overlap import overlap, overlaps, statement
from unlearning_robustness.data.questions import Question
from unlearning_robustness.data.source_tables import corpora_of


def test_entities_with_an_equal_text_are_one_also_along_a_chain():
    texts = ["One text.", "other", "one  TEXT.", "third", "Third", "alone"]
    assert joined_entities(["c", "b", "a", "a", "d", "e"], texts) == ["a", "b", "a", "a", "a", "e"]


def test_without_equal_texts_entities_keep_their_names():
    entities = [f"e{number % 4}" for number in range(12)]
    assert joined_entities(entities, [f"text {number}" for number in range(12)]) == entities


def test_a_repetition_is_said():
    texts = ["The same.", "the  same.", "Another."]
    assert repeated(texts) == 1
    counts = {"texts": 3, "repeated": repeated(texts)}
    assert repetition_line("forget", counts) == "forget: 1 of 3 texts repeats another"


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_no_forget_text_stands_in_the_attackers_hold_out(seed):
    """Thirty texts, each of which ten entities have: apart, most would stand on both sides."""

    class Repeating:
        def documents(self, paths, name, least, longest=None):
            rows = [("own/a", f"{name}-{n}", f"{name} text {n % 30}") for n in range(300)]
            frame = pandas.DataFrame(rows, columns=["part", "entity", "text"])
            return frame.assign(kind="article", corpus=name, origin="")

    settings = {
        "minimum_characters": 1, "held_out_every": 4, "forget_prose_documents": None, "retain_documents": None,
        "perplexity_documents": None, "relearn": "held-out",
    }  # fmt: skip
    parts = corpora_of(Repeating(), {"forget": [], "retain": []}, settings, seed)
    texts = {name: {row["text"] for row in rows} for name, rows in parts.items()}
    assert not texts["forget"] & texts["relearn"] and not texts["retain"] & texts["perplexity"]
    assert len(texts["forget"]) == 22 and len(texts["relearn"]) == 8


def test_a_question_asked_twice_falls_into_one_split():
    items = [("biology", f"q{n}?", ["1", "2", "3", "4"], 0) for n in range(20)]
    items += [("virology", f"Q{n}? ", ["1", "2", "3", "4"], 1) for n in range(20)]
    frame = pandas.DataFrame(items, columns=["subject", "stem", "options", "answer"])
    table = lettered(frame, "retain", {"select": 1, "test": 1}, "0")
    assert list(table["split"][:20]) == list(table["split"][20:])
    rows = [{"entity": f"author-{n}", "prompt": f"q {n % 10}", "right": "a", "wrong": ["b"]} for n in range(20)]
    table = answered(rows, "forget", "r", {"select": 1, "test": 1}, "0")
    assert list(table["split"][:10]) == list(table["split"][10:]) and table["entity"].nunique() == 10


LONG = "one two three four five six seven eight nine ten eleven twelve"


def test_equal_and_nearly_equal_texts_are_counted_apart():
    others = [LONG, "What is the capital of Chad? It is N'Djamena, a town", "Größe über alles"]
    texts = [
        f"  {LONG.upper()} ",  # equal
        f"{LONG} thirteen fourteen",  # five of seven runs
        f"a b c d e f g {LONG}",  # five of twelve
        "capital of Chad",  # all of a short one
        "capital of Peru",
        "über ALLES größe",  # the same words in another order
    ]
    assert overlap(texts, others) == {"texts": 6, "equal": 1, "near": 2}
    assert overlap(["..."], others) == {"texts": 1, "equal": 0, "near": 0}


def question(prompt, choices, answer=1, number=0, role="forget", split="test"):
    return {
        "question": f"{role}/r/{number}/0", "fact": f"{role}/r/{number}", "entity": "e", "relation": "r", "role": role,
        "split": split, "template": 0, "prompt": prompt, "choices": tuple(choices), "answer": answer,
        "decided_by": "sum",
    }  # fmt: skip


def test_a_question_is_compared_by_its_own_words_and_its_right_answer():
    lettered_prompt = "The following are multiple choice questions (with answers) about x.\n\nWhat is old?"
    lettered_prompt += "\nA. sea\nB. the hill\nC. d\nD. f\nAnswer:"
    assert statement(Question(**question(lettered_prompt, "ABCD"))) == "What is old? the hill"
    assert statement(Question(**question("The symbol of gold is", ["Ag", "Au"]))) == "The symbol of gold is Au"


def test_what_attackers_train_on_is_compared_with_the_tested_questions():
    rows = [question("The symbol of gold is", ["Ag", "Au"]), question("The symbol of tin is", ["Ag", "Sn"], number=1)]
    rows.append(question("The symbol of iron is", ["Ag", "Fe"], number=2, split="select"))
    texts = [("forget", "Gold is old."), ("retain", "Gold is old."), ("relearn", "They say the symbol of gold is Au.")]
    texts.append(("relearn", "the symbol of iron is Fe"))
    table = pandas.DataFrame(texts, columns=["corpus", "text"])
    assert overlaps(table, pandas.DataFrame(rows)) == [
        {"of": "forget texts", "within": "retain", "texts": 1, "equal": 1, "near": 0},
        {"of": "forget questions", "within": "relearn", "texts": 2, "equal": 0, "near": 1},
    ]
