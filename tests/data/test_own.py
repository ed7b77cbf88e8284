"""One's own questions and texts, in every form that the reader ``own`` takes."""

import gzip
import json
import string

import pandas
import pytest

from unlearning_robustness.data.corpora import build_corpora
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.errors import DataError

ROWS = [
    {"question": f"Which is number {n}?", "choices": [f"{n}{x}" for x in "abcd"], "answer": n % 4} for n in range(8)
]
ENTRY = {"items": ["own/part"], "splits": {"select": 1, "test": 1}, "without_subjects": [], "max_facts": {}}


def lines(rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def read(folder, name, content, **more):
    (folder / "in").mkdir(parents=True)
    (folder / "in" / name).write_bytes(content)
    settings = {"path": str(folder / "in"), "files": {"part": name}, "license": "MIT", "note": "made by a test", **more}
    fetch(settings, folder / "own", folder / "scratch")
    return Published({"own": "own"}, [str(folder / "own")])


def questions(published, distractors=3, **more):
    return published.questions({**ENTRY, **more}, "forget", "0", distractors)


def in_columns(rows, **more):
    return [
        {"question": row["question"], **dict(zip("ABCD", row["choices"], strict=True)), "answer": "ABCD"[row["answer"]]}
        | more
        for row in rows
    ]


def csv(rows, bom=False, end="\n", header=True):
    text = pandas.DataFrame(rows).to_csv(index=False, lineterminator=end, header=header)
    return text.encode("utf-8-sig" if bom else "utf-8")


FORMS = {
    "a.jsonl": lines(ROWS),
    "a.json": json.dumps(ROWS).encode(),
    "a.jsonl.gz": gzip.compress(lines(ROWS)),
    "mac.jsonl": lines(ROWS).replace(b"\n", b"\r"),
    "a.csv": csv(in_columns(ROWS)),
    "a.csv.gz": gzip.compress(csv(in_columns(ROWS))),
    "windows.csv": csv(in_columns(ROWS), bom=True, end="\r\n"),
    "mac.csv": csv(in_columns(ROWS), end="\r"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_file_gives_the_same_questions(name, tmp_path):
    (tmp_path / "parquet").mkdir()
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "parquet" / "a.parquet")
    expected = questions(read(tmp_path / "p", "a.parquet", (tmp_path / "parquet" / "a.parquet").read_bytes()))
    assert questions(read(tmp_path / "f", name, FORMS[name])) == expected
    assert [question.answer for question in expected] == [row["answer"] for row in ROWS]
    assert {question.relation for question in expected} == {"part"}
    assert {question.split for question in expected} == {"select", "test"}


def test_columns_are_mapped_and_those_of_a_file_without_names_are_named(tmp_path):
    expected = questions(read(tmp_path / "plain", "a.csv", csv(in_columns(ROWS))))
    foreign = [{"q": r["question"], **dict(zip("wxyz", r["choices"], strict=True)), "key": r["answer"]} for r in ROWS]
    columns = {"question": "q", "choices": ["w", "x", "y", "z"], "answer": "key"}
    assert questions(read(tmp_path / "mapped", "a.jsonl", lines(foreign), columns=columns)) == expected
    named = read(
        tmp_path / "named", "a.csv", csv(in_columns(ROWS), header=False), header=["question", *"ABCD", "answer"]
    )
    assert questions(named) == expected
    both = read(tmp_path / "both", "a.csv", csv(foreign, header=False), header=["q", *"wxyz", "key"], columns=columns)
    assert questions(both) == expected


def test_values_that_look_like_others_stay_texts(tmp_path):
    rows = [{"question": "Which?", "A": "None", "B": "007", "C": "NA", "D": "1.0", "answer": "B"}]
    (question,) = questions(read(tmp_path, "a.csv", csv(rows)), asked_by="answers")
    assert question.choices == ("None", "007", "NA", "1.0") and question.answer == 1


def test_there_may_be_two_to_twenty_six_choices(tmp_path):
    for count in (2, 26):
        rows = [{"question": "Which?", "choices": [f"c{n}" for n in range(count)], "answer": count - 1}]
        (question,) = questions(read(tmp_path / f"{count}", "a.jsonl", lines(rows)), count - 1)
        assert question.choices == tuple(string.ascii_uppercase[:count]) and question.answer == count - 1
        last = string.ascii_uppercase[count - 1]
        assert question.prompt.endswith(f"\n{last}. c{count - 1}\nAnswer:")
    twenty = {letter: f"c{n}" for n, letter in enumerate(string.ascii_uppercase)}
    (question,) = questions(read(tmp_path / "z", "a.csv", csv([{"question": "Which?", **twenty, "answer": "Z"}])), 25)
    assert question.answer == 25


def test_subjects_ids_entities_and_splits_are_kept(tmp_path):
    rows = [
        {**row, "subject": "rivers" if n % 2 else "hills", "id": f"q-{n}", "entity": f"e{n // 4}",
         "split": ("select", "test")[n // 4]}
        for n, row in enumerate(ROWS)
    ]  # fmt: skip
    asked = questions(read(tmp_path, "a.jsonl", lines(rows)))
    assert [question.fact for question in asked[:2]] == ["forget/hills/q-0", "forget/rivers/q-1"]
    assert [question.entity for question in asked] == ["e0"] * 4 + ["e1"] * 4
    assert [question.split for question in asked] == ["select"] * 4 + ["test"] * 4
    drawn = questions(read(tmp_path / "drawn", "a.jsonl", lines([{**row, "split": ""} for row in rows])))
    splits = {question.entity: question.split for question in drawn}
    assert len(splits) == 2 and {question.split for question in drawn} == {"select", "test"}
    assert all(question.split == splits[question.entity] for question in drawn)


def test_choices_may_be_asked_as_whole_answers(tmp_path):
    letters = questions(read(tmp_path / "letters", "a.jsonl", lines(ROWS)))
    answers = questions(read(tmp_path / "answers", "a.jsonl", lines(ROWS)), asked_by="answers")
    for letter, answer, row in zip(letters, answers, ROWS, strict=True):
        assert answer.prompt == f"Question: {row['question']}\nAnswer:" and list(answer.choices) == row["choices"]
        assert (answer.answer, answer.fact, answer.split) == (letter.answer, letter.fact, letter.split)
        assert (letter.decided_by, answer.decided_by) == ("sum", "token-mean")


def test_open_questions_get_their_own_wrong_answers_else_those_of_other_questions(tmp_path):
    rows = [{"question": f"Who is {n}?", "answer": f"n{n}"} for n in range(6)]
    drawn = questions(read(tmp_path / "drawn", "a.jsonl", lines(rows)))
    assert [question.choices[question.answer] for question in drawn] == [row["answer"] for row in rows]
    every = {row["answer"] for row in rows}
    assert all(len(set(question.choices)) == 4 and set(question.choices) <= every for question in drawn)
    assert {question.prompt for question in drawn} == {f"Question: Who is {n}?\nAnswer:" for n in range(6)}
    own = [{**row, "wrong_answers": ["x", "y", "z", row["answer"]], "split": "test"} for row in rows]
    given = questions(read(tmp_path / "given", "a.jsonl", lines(own)))
    assert all({*question.choices} == {"x", "y", "z", question.choices[question.answer]} for question in given)
    assert {question.split for question in given} == {"test"}
    with pytest.raises(DataError, match=r"own/part: a\.jsonl, line 1: there are 3 wrong answers, not 4"):
        questions(read(tmp_path / "few", "a.jsonl", lines(own)), 4)


def corpora(folder, name, content, **more):
    published = read(folder, name, content, **more)
    settings = {"minimum_characters": 1, "held_out_every": 4, "relearn": "held-out", "perplexity_tokens": 8}
    entry = {"texts": {"forget": ["own/part"], "retain": ["own/part"]}, "corpora": settings}
    return build_corpora(entry, "1", published)


def test_all_texts_are_taken_where_no_number_is_said(tmp_path):
    table = corpora(tmp_path, "a.jsonl", lines({"text": f"Text number {n}."} for n in range(20)))
    assert table["corpus"].value_counts().to_dict() == {
        "forget": 15, "relearn": 5, "retain": 15, "perplexity": 5, "refusal": 4
    }  # fmt: skip


def test_texts_of_one_entity_are_trained_on_or_held_out_together(tmp_path):
    table = corpora(tmp_path, "a.csv", csv([{"entity": f"e{n % 8}", "text": f"Text number {n}."} for n in range(24)]))
    sides = table[table["corpus"].isin(["forget", "relearn"])].groupby("entity")["corpus"].agg(set)
    assert len(sides) == 8 and all(len(side) == 1 for side in sides) and table["entity"].nunique() == 9


def test_open_questions_are_texts_too(tmp_path):
    rows = [{"question": f"Who is {n}?", "answer": n} for n in range(8)]
    texts = read(tmp_path, "a.jsonl", lines(rows)).documents(["own/part"], "forget", 1)
    assert list(texts["text"]) == [f"Question: Who is {n}?\nAnswer: {n}" for n in range(8)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_paragraphs_end_at_blank_lines_whatever_ends_a_line(end, tmp_path):
    content = end.join(["", "One", "line two \u2028 here", "", "  ", "Two", ""])
    texts = read(tmp_path, "a.txt", b"\xef\xbb\xbf" + content.encode()).documents(["own/part"], "forget", 1)
    assert list(texts["text"]) == ["One\nline two \u2028 here", "Two"]
