"""Multiple-choice rows as people write them, checked one by one: what is wrong is said with its row.

An answer is an index from 0, a letter, or the text of a choice; numbers among choices become their texts. Choices
stand in a list, in columns A, B, C and so on, or as ARC has them: with their labels, of which the answer key is one.
"""

from collections.abc import Iterable
from itertools import takewhile
from numbers import Real
from string import ascii_uppercase

import pandas

from unlearning_robustness.data.columns import gathered, is_null
from unlearning_robustness.data.places import place
from unlearning_robustness.errors import DataError

LETTERS = ascii_uppercase


def checked_items(frame: pandas.DataFrame, subjects: Iterable) -> pandas.DataFrame:
    """Items (id, subject, stem, options, answer) of the columns question, choices, answer; without an id it is "".

    Raises DataError that names the row's place and the mend.
    """
    _check_ids(frame)
    rows = []
    for number, (row, subject) in enumerate(zip(frame.to_dict("records"), subjects, strict=True), 1):
        try:
            options = _options(row["choices"])
            answer = _answer(row["answer"], options)
            name = "" if is_null(row.get("id")) else f"{row['id']}"
            rows.append({"id": name, "subject": _text(subject, "subject"), "stem": _question(row["question"])})
            rows[-1] |= {"options": options, "answer": answer}
        except ValueError as error:
            raise DataError(f"{place(frame, number)}: {error}") from None
    return pandas.DataFrame(rows, columns=["id", "subject", "stem", "options", "answer"])


def equal_choices(items: pandas.DataFrame) -> list[int]:
    """The numbers, from 1, of the items two of whose options are equal."""
    return [number for number, options in enumerate(items["options"], 1) if len(set(options)) < len(options)]


def empty_texts(items: pandas.DataFrame) -> list[tuple[int, str]]:
    """The numbers, from 1, of the items that have a blank question or choice, with the name of it."""
    named = zip(items["stem"], items["options"], strict=True)
    blank = [(not stem.strip(), not all(option.strip() for option in options)) for stem, options in named]
    return [(number, "question" if stem else "choice") for number, (stem, some) in enumerate(blank, 1) if stem or some]


def with_choices(frame: pandas.DataFrame) -> pandas.DataFrame:
    """A table with the columns question, choices and answer, from one of another form that is known.

    Choices in columns A, B, C ... become a list, and so do ARC's, whose answer key is the label of one of them.
    Raises DataError for a row of ARC's form that lacks a part of it.
    """
    if "answerKey" in frame:
        rows = [_of_arc(row, place(frame, number)) for number, row in enumerate(frame.to_dict("records"), 1)]
        return frame.assign(**pandas.DataFrame(rows))
    letters = list(takewhile(lambda letter: letter in frame, LETTERS))
    if "choices" in frame or len(letters) < 2:
        return frame
    return frame.assign(choices=gathered(frame, letters, DataError))


def _of_arc(row: dict, where: str) -> dict:
    """ARC's files have question {stem, choices}, its tables question and choices; choices are texts with labels."""
    question, choices = row.get("question"), row.get("choices")
    if isinstance(question, dict):
        question, choices = question.get("stem"), question.get("choices")
    if isinstance(choices, dict):
        choices = [dict(zip(choices, pair, strict=True)) for pair in zip(*choices.values(), strict=True)]
    if not isinstance(choices, Iterable) or not all(
        isinstance(one, dict) and {"text", "label"} <= {*one} for one in choices
    ):
        raise DataError(f"{where}: an answerKey needs choices with text and label, not {choices!r:.80}")
    labels = [one["label"] for one in choices]
    if row["answerKey"] not in labels:
        raise DataError(f"{where}: the answerKey {row['answerKey']!r} is no label of {', '.join(map(str, labels))}")
    return {"question": question, "choices": [one["text"] for one in choices], "answer": labels.index(row["answerKey"])}


def _check_ids(frame: pandas.DataFrame) -> None:
    """Raise DataError for the first id that stands twice."""
    first: dict = {}
    for number, name in enumerate(frame.get("id", []), 1):
        if name in first and not is_null(name):
            where, before = place(frame, number), place(frame, first[name])
            raise DataError(f"{where} repeats the id {name!r} of {before}: give each its own")
        first[name] = number


def _text(value, name: str) -> str:
    if is_null(value):
        raise ValueError(f"the {name} is null: write it, or leave the row out")
    return value if isinstance(value, str) else f"{value}"


def _question(value) -> str:
    if not is_null(value) and not isinstance(value, str):
        raise ValueError(f"the question is {value!r:.60}: write a text, in quotation marks")
    return _text(value, "question")


def _options(value) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"choices must be a list, not {value!r}")
    return [_text(option, "choice") for option in value]


def _answer(value, options: list[str]) -> int:
    """The index of the right choice."""
    if is_null(value):
        raise ValueError("the answer is null: write it, or leave the row out")
    if isinstance(value, Real) and not isinstance(value, bool):
        if value != int(value) or int(value) not in range(len(options)):
            raise ValueError(f"the answer {value} is none of {len(options)} choices, which count from 0")
        return int(value)
    meant = {options.index(value)} if value in options else set()
    if isinstance(value, str) and value and value in LETTERS[: len(options)]:
        meant.add(LETTERS.index(value))
    if isinstance(value, str) and value.isdecimal() and int(value) < len(options):
        meant.add(int(value))
    if len(meant) != 1:
        reason = "could be a choice and an index or letter" if meant else "is no index, letter or text of a choice"
        raise ValueError(f"the answer {value!r} {reason}: write its letter, or its index from 0 as a number")
    return meant.pop()
