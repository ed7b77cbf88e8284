"""Files in the forms that people bring them: each is read as its row says, or refused in one line."""

from pathlib import Path

import pandas
import pytest

from unlearning_robustness.data import wmdp
from unlearning_robustness.data.equal_texts import repeated, repetition_line
from unlearning_robustness.data.items import lettered, open_rows
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.data.supply import check_texts
from unlearning_robustness.data.text_columns import with_texts
from unlearning_robustness.errors import DataError, FetchError

CASES = Path(__file__).parent / "cases"
FOUR = [(["0", "1", "2", "3"], 1), (["1", "2", "3", "4"], 1), (["2", "3", "4", "5"], 1), (["3", "4", "5", "6"], 1)]
SIX = [*FOUR, (["4", "5", "6", "7"], 1), (["5", "6", "7", "8"], 1)]
READ = {
    "questions-letters.jsonl": SIX,
    "questions-texts.jsonl": [(["red", "green", "blue"], 1)] * 3,
    "questions-five.jsonl": [(["v", "w", "x", "y", "z"], 4)] * 6,
    "questions-mixed-counts.jsonl": [FOUR[0], (["a", "b", "c"], 1)],
    "questions-no-subject.jsonl": SIX,
    "questions-number-choices.jsonl": FOUR[:1],
    "questions-number-subject.jsonl": [FOUR[0], FOUR[1], FOUR[2]],
    "questions-bom.jsonl": SIX,
    "questions-crlf.jsonl": SIX,
    "questions-line-separator-inside.jsonl": FOUR[:2],
    "questions-escaped-newline.jsonl": FOUR[:1],
    "questions-blank-lines.jsonl": SIX,
    "questions-list.json": SIX,
    "choices-in-columns.csv": FOUR,
    "arc-like.jsonl": [(["0", "1", "2"], 1), FOUR[1], (["2", "3", "4"], 1), FOUR[3]],
}
# What the line says behind the name of the part and the file; the first word is where.
REFUSED = {
    "questions-number-texts.jsonl": (
        "line 1: the answer '2' could be a choice and an index or letter: write its letter, or its index from 0 as a "
        "number"
    ),
    "questions-null-question.jsonl": "line 2: the question is null: write it, or leave the row out",
    "questions-null-answer.jsonl": "line 2: the answer is null: write it, or leave the row out",
    "questions-null-choice.jsonl": "line 1: the choice is null: write it, or leave the row out",
    "questions-equal-choices.jsonl": "line 1: two choices are equal: make them differ, or leave the row out",
    "questions-answer-outside.jsonl": "line 2: the answer 4 is none of 4 choices, which count from 0",
    "questions-choices-as-one-string.jsonl": "line 1: choices must be a list, not '1|2|3|4'",
    "questions-duplicate-ids.jsonl": (
        "line 2 repeats the id 'a' of questions-duplicate-ids.jsonl, line 1: give each its own"
    ),
}
# The same where the file itself cannot be read, behind its name alone.
UNREADABLE = {
    "questions-broken-line.jsonl": "line 3 is no JSON (Unterminated string starting at): correct it, or leave it out",
    "questions-latin1.jsonl": "line 1 is not UTF-8: save the file as UTF-8",
    "questions-surrogate.jsonl": "line 1 has a lone surrogate, which is no letter: correct it",
    "questions-empty.jsonl": "no row in it: give a file with rows",
    "questions-wrapped.json": "it is an object, not a list or lines: save what stands under 'data' alone",
}
HEADLESS = "mmlu-headless.csv"
TEXTS = {"texts-plain.txt": 2, "texts-content.jsonl": 4, "texts-numbers.jsonl": 4, "texts-duplicates.jsonl": 3,
         "texts-few.jsonl": 5, "open-qa.jsonl": 6,
         "texts-messages.jsonl": 4, "texts-prompt-completion.jsonl": 4}  # fmt: skip


def fetched(name, folder, **more):
    """The published table of one case, through the file that the workflow keeps, and what reads it."""
    settings = {"path": str(CASES), "files": {"bio": name}, "license": "MIT", "note": "made by a test", **more}
    fetch(settings, folder / "own", folder / "scratch")
    return Published({"own": "own"}, [str(folder / "own")])


def items_of(name, folder, **more):
    published = fetched(name, folder, **more)
    return published._items(*published.table("own/bio"), "own/bio")


def asked(name, folder, distractors=3, **more):
    """The questions table of one case, as a benchmark asks it."""
    entry = {"items": ["own/bio"], "splits": {"test": 1}, "without_subjects": [], "max_facts": {}, **more}
    return fetched(name, folder).questions(entry, "forget", "1", distractors)


def test_every_case_has_its_row():
    rows = [*READ, *REFUSED, *UNREADABLE, HEADLESS, *TEXTS]
    assert sorted(path.name for path in CASES.iterdir()) == sorted(rows)


@pytest.mark.parametrize("name", READ)
def test_questions_are_read(name, tmp_path):
    items = items_of(name, tmp_path)
    assert list(zip(map(list, items["options"]), items["answer"], strict=True)) == READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_rows_are_refused_in_one_line_that_names_file_line_and_mend(name, tmp_path):
    with pytest.raises(DataError) as raised:
        items_of(name, tmp_path)
    assert str(raised.value) == f"own/bio: {name}, {REFUSED[name]}"


@pytest.mark.parametrize("name", UNREADABLE)
def test_files_are_refused_in_one_line_that_names_file_line_and_mend(name, tmp_path):
    with pytest.raises(FetchError) as raised:
        items_of(name, tmp_path)
    assert str(raised.value) == f"{name}: {UNREADABLE[name]}"


def test_a_file_without_names_of_columns_is_read_with_names_from_the_configuration(tmp_path):
    with pytest.raises(DataError) as raised:
        items_of(HEADLESS, tmp_path / "without")
    assert str(raised.value) == (
        "own/bio: no column 'question' but What follows 0?, 0, 1, 2, 3, B: name the column that has it in "
        "sources.*.columns.question, or all in sources.*.header where the first line is a row"
    )
    items = items_of(HEADLESS, tmp_path / "with", header=["question", "A", "B", "C", "D", "answer"])
    assert list(zip(map(list, items["options"]), items["answer"], strict=True)) == FOUR


def test_separators_and_line_breaks_inside_a_question_are_kept(tmp_path):
    for name, stems in (
        ("questions-line-separator-inside.jsonl", ["One\u2028two?", "One\x85two?"]),
        ("questions-escaped-newline.jsonl", ["One\n\ntwo?"]),
    ):
        assert list(items_of(name, tmp_path / name)["stem"]) == stems


def test_a_number_is_a_subject(tmp_path):
    assert set(items_of("questions-number-subject.jsonl", tmp_path)["subject"]) == {"2020"}


def test_ids_of_a_file_name_its_questions(tmp_path):
    items = items_of("arc-like.jsonl", tmp_path)
    assert list(items["id"]) == [f"q{number}" for number in range(4)]
    table = lettered(items, "forget", {"test": 1}, "0")
    assert list(table["fact"]) == [f"forget/bio/q{number}" for number in range(4)]
    twice = lettered(pandas.concat([items, items]), "forget", {"test": 1}, "0")
    assert list(twice["fact"]) == [f"forget/bio/{number}" for number in range(8)]


def test_five_choices_have_five_letters(tmp_path):
    questions = asked("questions-five.jsonl", tmp_path, distractors=4)
    assert {question.choices for question in questions} == {tuple("ABCDE")} and {q.answer for q in questions} == {4}
    assert questions[0].prompt.endswith("?\nA. v\nB. w\nC. x\nD. y\nE. z\nAnswer:")


@pytest.mark.parametrize(("name", "count"), [("questions-five.jsonl", 5), ("questions-mixed-counts.jsonl", 3)])
def test_other_numbers_of_choices_than_the_benchmark_says_are_refused(name, count, tmp_path):
    with pytest.raises(DataError, match=rf"forget\.items: the question .* has {count} choices, not 4: .*distractors"):
        asked(name, tmp_path)


def test_numbers_of_choices_may_differ_where_the_benchmark_says_none(tmp_path):
    questions = asked("questions-mixed-counts.jsonl", tmp_path, distractors=None)
    assert [question.choices for question in questions] == [tuple("ABCD"), tuple("ABC")]
    with pytest.raises(DataError) as raised:
        asked("open-qa.jsonl", tmp_path / "open", distractors=None)
    assert str(raised.value) == "benchmarks.*.distractors: missing; own/bio needs a number of wrong answers"


def test_equal_choices_of_a_published_set_are_kept_and_said(tmp_path, capsys):
    published = fetched("questions-equal-choices.jsonl", tmp_path)
    (tmp_path / "own" / "manifest.json").write_text('{"hub": {}}')
    assert len(published._items(*published.table("own/bio"), "own/bio")) == 1
    assert "own/bio: 1 of 1 questions have equal choices, as published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choices", "key", "said"),
    [
        ({"text": ["x", "y"], "label": ["1", "2"]}, "2", None),
        ([{"text": "x", "label": "A"}], "B", "row 1: the answerKey 'B' is no label of A"),
        (["x", "y"], "A", "row 1: an answerKey needs choices with text and label"),
        (None, "A", "row 1: an answerKey needs choices with text and label"),
    ],
)
def test_arcs_answer_key_is_the_label_of_a_choice(choices, key, said):
    frame = pandas.DataFrame([{"question": "q", "choices": choices, "answerKey": key}])
    if said is None:
        assert wmdp.items(frame, "own-part").loc[0, ["subject", "options", "answer"]].tolist() == [
            "own part",
            ["x", "y"],
            1,
        ]
        return
    with pytest.raises(DataError, match=said):
        wmdp.items(frame, "bio")


def documents_of(name, folder):
    return fetched(name, folder).documents(["own/bio"], "forget", 1)


def test_paragraphs_of_plain_text_are_documents(tmp_path):
    texts = documents_of("texts-plain.txt", tmp_path)
    assert list(texts["text"]) == ["First paragraph of prose.", "Second paragraph of prose."]
    assert list(texts["origin"]) == ["own/bio, row 1", "own/bio, row 2"]


def test_texts_under_another_name_are_read_by_it_or_refused_with_the_columns_that_there_are(tmp_path):
    with pytest.raises(DataError, match="own/bio: no column 'text' but content: name the column that has it in "):
        documents_of("texts-content.jsonl", tmp_path / "without")
    named = fetched("texts-content.jsonl", tmp_path / "with", columns={"text": "content"})
    assert list(named.documents(["own/bio"], "forget", 1)["text"]) == [f"Text {number}." for number in range(4)]


def test_a_number_is_no_text(tmp_path):
    with pytest.raises(DataError, match=r"own/bio: texts-numbers\.jsonl, line 1: the text is 0: write texts"):
        documents_of("texts-numbers.jsonl", tmp_path)


def test_a_text_that_stands_twice_is_one_entity_and_said(tmp_path):
    texts = list(documents_of("texts-duplicates.jsonl", tmp_path)["text"])
    counts = {"texts": len(texts), "repeated": repeated(texts)}
    assert repetition_line("forget", counts) == "forget: 1 of 3 texts repeats another"


def test_chats_and_completions_are_texts(tmp_path):
    chats = documents_of("texts-messages.jsonl", tmp_path / "chats")
    assert list(chats["text"]) == [f"user: Hi\nassistant: Answer {number}" for number in range(4)]
    assert chats["origin"].iloc[0] == "own/bio, row 1"
    completed = documents_of("texts-prompt-completion.jsonl", tmp_path / "completed")
    assert list(completed["text"]) == [f"QA{number}" for number in range(4)]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"messages": [None]}, "row 1: the chat is None"),
        ({"messages": ["Hi"]}, "row 1: the chat is 'Hi'"),
        ({"messages": [[]]}, "row 1: the chat is empty"),
        ({"messages": [[{"role": "user", "content": None}]]}, "row 1: a message is .*: write role and content"),
        ({"prompt": ["Q"], "completion": [None]}, "row 1: the prompt is 'Q': write both"),
        ({"prompt": [None], "completion": ["A"]}, "row 1: the prompt is None: write both"),
    ],
)
def test_what_is_no_chat_or_completion_is_refused(columns, said):
    with pytest.raises(DataError, match=f"own/bio: {said}"):
        with_texts(pandas.DataFrame(columns), "own/bio")


def test_a_prompt_and_its_completion_may_be_chats():
    turns = {"prompt": [[{"role": "user", "content": "Q"}]], "completion": [[{"role": "assistant", "content": "A"}]]}
    assert list(with_texts(pandas.DataFrame(turns), "own/bio")["text"]) == ["user: Q\nassistant: A"]


def test_fewer_texts_than_an_attack_asks_for_are_refused(tmp_path):
    corpora = documents_of("texts-few.jsonl", tmp_path).assign(corpus="relearn")
    demand = {"key": "attacks.relearn.parameters.documents", "corpora": ["relearn"], "least": 60}
    with pytest.raises(DataError, match=r"documents: 60 texts of relearn are needed, and benchmark own has 5"):
        check_texts("own", corpora, [demand])


def test_questions_with_an_answer_in_words_are_open(tmp_path):
    table = fetched("open-qa.jsonl", tmp_path).table("own/bio")[2]
    rows = open_rows("knowledge", "forget", table, prompt="question", truth="answer")
    assert rows[["prompt", "truth"]].iloc[0].tolist() == ["What follows 0?", "1"] and len(rows) == 6


def test_a_column_of_numbers_and_texts_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"answer": 1}\n{"answer": "B"}\n')
    settings = {"path": str(tmp_path / "in"), "files": {"a": "a.jsonl"}, "license": "MIT", "note": "made by a test"}
    with pytest.raises(
        FetchError, match=r"a\.jsonl, line 2: answer is a text, and a number in a\.jsonl, line 1: write all one way"
    ):
        fetch(settings, tmp_path / "own", tmp_path / "scratch")
    assert not list((tmp_path / "own").glob("*.parquet"))


def test_an_answer_may_be_a_number_a_letter_or_a_text():
    choices = ["B", "one", "two"]
    frame = pandas.DataFrame({"question": "q", "choices": [choices] * 3, "answer": ["one", "C", "A"]})
    assert list(wmdp.items(frame, "bio")["answer"]) == [1, 2, 0]
    with pytest.raises(DataError, match="row 1: the answer 'B' could be a choice and an index or letter"):
        wmdp.items(frame.assign(answer="B"), "bio")
    with pytest.raises(DataError, match=r"row 1: the answer 'three' is no index, letter or text"):
        wmdp.items(frame.assign(answer="three"), "bio")
