"""Files that people might bring and that cannot be read as they are: each ends its job in one exact line, exit code 1.

The cases that stand in files of their own are in test_cases.py.
"""

import gzip
from types import SimpleNamespace

import pytest

from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.runtime import job as running

GOOD = b'{"question": "a?", "choices": ["x", "y"], "answer": 0}\n'
CSV = b"question,A,B,C,answer\n"
OUT = "write it, or leave the row out"


def asked(published):
    entry = {"items": ["own/part"], "splits": {"select": 1, "test": 1}, "without_subjects": [], "max_facts": {}}
    return published.questions(entry, "forget", "0", 1)


def texts(published):
    return published.documents(["own/part"], "forget", 1)


def ended(tmp_path, monkeypatch, name, content, read, **more):
    """The exit code of a job that reads the file, and the last line of its log."""
    codes = []
    monkeypatch.setattr(running, "exit_now", codes.append)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    named = {"rule": "read", "wildcards": {}, "params": {}, "log": [str(tmp_path / "log")]}
    snakemake = SimpleNamespace(**named, input=[], output=[])
    with running.job(snakemake):
        settings = {"path": str(tmp_path / "in"), "files": {"part": name}, "license": "MIT", "note": "a test's", **more}
        fetch(settings, tmp_path / "own", tmp_path / "scratch")
        read(Published({"own": "own"}, [str(tmp_path / "own")]))
    return codes, (tmp_path / "log").read_text().splitlines()[-1]


QUESTIONS = {
    "null choices": ("a.jsonl", GOOD + b'{"question": "b?", "choices": null, "answer": 0}',
                     "own/part: a.jsonl, line 2: choices must be a list, not None"),
    "empty question": ("a.jsonl", GOOD + b'\n{"question": " ", "choices": ["x", "y"], "answer": 0}',
                       f"own/part: a.jsonl, line 3: the question is empty: {OUT}"),
    "empty choice": ("a.jsonl", b'{"question": "a?", "choices": ["x", ""], "answer": 0}',
                     f"own/part: a.jsonl, line 1: the choice is empty: {OUT}"),
    "question is a number": ("a.jsonl", b'{"question": 5, "choices": ["x", "y"], "answer": 0}',
                             "own/part: a.jsonl, line 1: the question is 5: write a text, in quotation marks"),
    "negative answer": ("a.jsonl", b'{"question": "a?", "choices": ["x", "y"], "answer": -1}',
                        "own/part: a.jsonl, line 1: the answer -1 is none of 2 choices, which count from 0"),
    "half an answer": ("a.jsonl", b'{"question": "a?", "choices": ["x", "y"], "answer": 0.5}',
                       "own/part: a.jsonl, line 1: the answer 0.5 is none of 2 choices, which count from 0"),
    "answer that is no choice": ("a.jsonl", b'{"question": "a?", "choices": ["x", "y"], "answer": "z"}',
                                 "own/part: a.jsonl, line 1: the answer 'z' is no index, letter or text of a choice: "
                                 "write its letter, or its index from 0 as a number"),
    "letter behind the last": ("a.jsonl", b'{"question": "a?", "choices": ["x", "y"], "answer": "C"}',
                               "own/part: a.jsonl, line 1: the answer 'C' is no index, letter or text of a choice: "
                               "write its letter, or its index from 0 as a number"),
    "no answers": ("a.jsonl", b'{"question": "a?", "choices": ["x", "y"]}',
                   "own/part: no column 'answer' but question, choices: name the column that has it in "
                   "sources.*.columns.answer, or all in sources.*.header where the first line is a row"),
    "answers of two types": ("a.jsonl", GOOD + b'{"question": "b?", "choices": ["x", "y"], "answer": "B"}',
                             "a.jsonl, line 2: answer is a text, and a number in a.jsonl, line 1: write all one way"),
    "questions of two types": ("a.jsonl", GOOD + b'{"question": ["b?"], "choices": ["x", "y"], "answer": 1}',
                               "a.jsonl, line 2: question is a list, and a text in a.jsonl, line 1: write all one way"),
    "a list among objects": ("a.jsonl", GOOD + b"[1, 2]\n",
                             "a.jsonl: line 2 is [1, 2]: write an object, as others are"),
    "a number in a list": ("a.json", b"[5]", "a.json: row 1 is 5: write an object, as others are"),
    "a text among objects": ("a.json", b'[{"question": "a?"}, "b"]',
                             "a.json: row 2 is 'b': write an object, as others are"),
    "an empty list": ("a.json", b"[]", "a.json: no row in it: give a file with rows"),
    "blank lines alone": ("a.jsonl", b"\n \n\n", "a.jsonl: no row in it: give a file with rows"),
    "UTF-16": ("a.jsonl", GOOD.decode().encode("utf-16"), "a.jsonl: line 1 is not UTF-8: save the file as UTF-8"),
    "Latin-1 in CSV": ("a.csv", CSV + "Größe?,x,y,z,A\n".encode("latin-1"),
                       "a.csv: line 2 is not UTF-8: save the file as UTF-8"),
    "no gzip": ("a.jsonl.gz", GOOD, "a.jsonl.gz: it is not, or not wholly, compressed by gzip: save it again"),
    "half a gzip": ("a.jsonl.gz", gzip.compress(GOOD * 50)[:-12],
                    "a.jsonl.gz: it is not, or not wholly, compressed by gzip: save it again"),
    "wrong line in gzip": ("a.jsonl.gz", gzip.compress(GOOD + b"{"),
                           "a.jsonl.gz: line 2 is no JSON (Expecting property name enclosed in double quotes): correct "
                           "it, or leave it out"),
    "a field too many": ("a.csv", CSV + b"a, b?,x,y,z,A\n",
                         "a.csv: line 2 has 6 fields, not 5 (question, A, B, C, answer): correct it, or put a field "
                         "that holds a comma in quotation marks"),
    "a field missing": ("a.csv", CSV + b"a?,x,y,z,A\nb?,x,y,A\n",
                        "a.csv: line 3 has 4 fields, not 5 (question, A, B, C, answer): correct it, or put a field "
                        "that holds a comma in quotation marks"),
    "open quotation marks": ("a.csv", CSV + b'a?,x,y,z,A\n"b?,x,y,z,A\n',
                             "a.csv: line 3 is no CSV (unexpected end of data): correct its quotation marks"),
    "a column twice": ("a.csv", b"question,A,A,answer\na?,x,y,A\n",
                       "a.csv: line 1 has the column 'A' twice: name each column once"),
    "a nameless column": ("a.csv", b"question,A,,answer\na?,x,y,A\n",
                          "a.csv: line 1 has a column without a name: name each column once"),
    "names alone": ("a.csv", CSV, "a.csv: no row in it: give a file with rows"),
    "a choice missing before another": ("a.csv", CSV + b"a?,x,,z,A\n",
                                        "own/part: a.csv, line 2: B is empty, and one behind it is not"),
    "an empty cell for the answer": ("a.csv", CSV + b'"a\n?",x,y,z,A\nb?,x,y,z,\n',
                                     f"own/part: a.csv, line 4: the answer is null: {OUT}"),
    "a number that is index and choice": ("a.csv", CSV + b"1 and 1?,0,2,1,2\n",
                                          "own/part: a.csv, line 2: the answer '2' could be a choice and an index or "
                                          "letter: write its letter, or its index from 0 as a number"),
    "ids twice": ("a.csv", b"id,question,A,B,answer\n7,a?,x,y,A\n8,b?,x,y,A\n7,c?,x,y,A\n",
                  "own/part: a.csv, line 4 repeats the id '7' of a.csv, line 2: give each its own"),
    "an unknown split": ("a.csv", b"split,question,A,B,answer\ntrain,a?,x,y,A\n",
                         "own/part: a.csv, line 2: the split 'train' is none of relearn, select, test: write one, or "
                         "leave the column out"),
    "a split for some": ("a.csv", b"split,question,A,B,answer\ntest,a?,x,y,A\n,b?,x,y,A\n",
                         "own/part: a.csv, line 3: the split '' is none of relearn, select, test: write one, or leave "
                         "the column out"),
    "an entity in two splits": ("a.csv", b"entity,split,question,A,B,answer\nIda,test,a?,x,y,A\nIda,select,b?,x,y,A\n",
                                "forget: Ida is given the splits test and select: questions of one entity, and equal "
                                "ones, must be in one split"),
    "an unknown label of ARC": ("a.jsonl", b'{"question": {"stem": "a?", "choices": [{"text": "x", "label": "A"}]}, '
                                b'"answerKey": "D"}',
                                "own/part: a.jsonl, line 1: the answerKey 'D' is no label of A"),
    "too few wrong answers": ("a.jsonl", b'{"question": "a?", "answer": "x", "wrong_answers": ["x"]}',
                              "own/part: a.jsonl, line 1: there are 0 wrong answers, not 1: give more, or lower "
                              "benchmarks.*.distractors"),
    "wrong answers in one text": ("a.jsonl", b'{"question": "a?", "answer": "x", "wrong_answers": "y"}',
                                  "own/part: a.jsonl, line 1: wrong_answers must be a list of texts, not 'y'"),
    "wrong answers that are numbers": ("a.jsonl", b'{"question": "a?", "answer": "x", "wrong_answers": [1, 2]}',
                                       "own/part: a.jsonl, line 1: wrong_answers must be a list of texts, not "
                                       "[1, 2]"),
    "an open question without an answer": ("a.jsonl", b'{"question": "a?", "answer": null}',
                                           f"own/part: a.jsonl, line 1: the answer is null: {OUT}"),
    "an open question that is blank": ("a.jsonl", b'{"question": "", "answer": "x"}\n{"question": "b?", "answer": "y"}',
                                       f"own/part: a.jsonl, line 1: the question is empty: {OUT}"),
}  # fmt: skip
TEXTS = {
    "null": ("a.jsonl", b'{"text": "one"}\n{"text": null}\n', f"own/part: a.jsonl, line 2: the text is null: {OUT}"),
    "blank": ("a.jsonl", b'{"text": "one"}\n{"text": " \\n"}\n',
              f"own/part: a.jsonl, line 2: the text is empty: {OUT}"),
    "empty cell": ("a.csv", b'number,text\n1,"one\n\ntwo"\n2,\n', f"own/part: a.csv, line 5: the text is null: {OUT}"),
    "no such column": ("a.csv", b"body\nWords.\n",
                       "own/part: no column 'text' but body: name the column that has it in sources.*.columns.text, or "
                       "all in sources.*.header where the first line is a row"),
    "no message": ("a.jsonl", b'{"messages": []}', "own/part: a.jsonl, line 1: the chat is empty: write its messages, "
                   "or leave the row out"),
    "a message without content": ("a.jsonl", b'{"messages": [{"role": "user", "content": null}]}',
                                  "own/part: a.jsonl, line 1: a message is {'role': 'user', 'content': None}: write "
                                  "role and content, both texts"),
    "a prompt alone": ("a.jsonl", b'{"prompt": "Q", "completion": null}',
                       "own/part: a.jsonl, line 1: the prompt is 'Q': write both as texts, or both as chats"),
    "an empty file": ("a.txt", b"\xef\xbb\xbf\r\n\r\n", "a.txt: no row in it: give a file with rows"),
    "broken letters": ("a.txt", b"one\r\rtwo \xff", "a.txt: line 3 is not UTF-8: save the file as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", QUESTIONS)
def test_questions_end_their_job_in_one_line(case, tmp_path, monkeypatch):
    name, content, said = QUESTIONS[case]
    assert ended(tmp_path, monkeypatch, name, content, asked) == ([1], f"error: {said}")


@pytest.mark.parametrize("case", TEXTS)
def test_texts_end_their_job_in_one_line(case, tmp_path, monkeypatch):
    name, content, said = TEXTS[case]
    assert ended(tmp_path, monkeypatch, name, content, texts) == ([1], f"error: {said}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"columns": {"question": "stem"}},
         "a.csv: no column 'stem' but question, A, B, C, answer: correct sources.*.columns.question"),
        ({"columns": {"choices": ["A", "D"]}},
         "a.csv: no column 'D' but question, A, B, C, answer: correct sources.*.columns.choices"),
        ({"header": ["question", "A", "B", "answer"]},
         "a.csv: line 1 has 5 fields, not 4 (question, A, B, answer): correct it, or put a field that holds a comma in "
         "quotation marks"),
    ],
)  # fmt: skip
def test_columns_that_the_configuration_names_and_the_file_lacks_end_the_job(more, said, tmp_path, monkeypatch):
    assert ended(tmp_path, monkeypatch, "a.csv", CSV + b"a?,x,y,z,A\n", asked, **more) == ([1], f"error: {said}")
