"""Whether there is as much as a study asks for is said before anything is trained."""

import pandas
import pytest

from unlearning_robustness.data.supply import bounded, check_lengths, check_questions, check_texts
from unlearning_robustness.errors import DataError


def refused(check, *arguments):
    with pytest.raises(DataError) as raised:
        check(*arguments)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


CORPORA = pandas.DataFrame({"corpus": ["relearn"] * 15 + ["forget"] * 6, "text": "t"})


def test_more_documents_than_there_are_are_refused_with_the_key():
    demand = {"key": "attacks.relearn.parameters.documents", "corpora": ["relearn"], "least": 60}
    message = refused(check_texts, "own", CORPORA, [demand])
    assert message.startswith("attacks.relearn.parameters.documents: 60 texts of relearn are needed, and ")
    assert "benchmark own has 15" in message and "lower this number" in message
    check_texts("own", CORPORA, [demand | {"least": 15}])
    check_texts("own", CORPORA, [demand | {"corpora": ["relearn", "forget"], "least": 21}])
    assert "has 0" in refused(check_texts, "own", CORPORA, [demand | {"corpora": ["neighbour"]}])


def test_more_known_facts_than_there_are_are_refused_with_the_key(question_table):
    demand = {"key": "attacks.gcg.parameters.held_out", "role": "forget", "split": "select", "least": 2}
    message = refused(check_questions, "own", question_table, [demand])
    assert "attacks.gcg.parameters.held_out: 2 forget facts of the split select are needed" in message
    assert "the model has 1 of own" in message
    check_questions("own", question_table, [demand | {"least": 1}, demand | {"split": "test", "least": 3}])
    assert "has 0" in refused(check_questions, "own", question_table, [demand | {"split": "relearn", "least": 1}])


def test_a_limit_above_what_there_is_is_said(question_table):
    most = {"forget": {"test": 3, "select": 9}, "retain": {}}
    assert list(bounded(question_table, most)) == ["forget.max_facts.select allows 9 facts; there are 1"]


def test_a_text_of_one_token_is_refused_with_its_source_and_row(tiny_tokenizer):
    rows = {"document": ["forget/0", "forget/1"], "origin": ["own/texts, row 7", ""], "text": ["x", "xy"]}
    message = refused(check_lengths, tiny_tokenizer, pandas.DataFrame(rows))
    assert message.startswith("own/texts, row 7: the text 'x' is a single token") and "minimum_characters" in message
    assert refused(check_lengths, tiny_tokenizer, pandas.DataFrame(rows | {"text": ["xy", "x"]})).startswith("forget/1")
    check_lengths(tiny_tokenizer, pandas.DataFrame(rows | {"text": ["xy", "yx"]}))
