"""Multiple-choice rows as people write them, checked one by one: what is wrong is said with its row.

An answer is an index from 0, a letter, or the text of a choice; numbers among choices become their texts. Choices
stand in a list, in columns A, B, C and so on, or as ARC has them: with their labels, of which the answer key is one.
"""

from collections.abc import Iterable
from numbers import Real

import pandas

from unlearning_robustness.errors import DataError

LETTERS = "ABCDEFGH"


def checked_items(frame: pandas.DataFrame, subjects: Iterable) -> pandas.DataFrame:
    """Items (id, subject, stem, options, answer) of the columns question, choices, answer; without an id it is "".

    Raises DataError that names the row, from 1, and the mend.
    """
    _check_ids(frame)
    rows = []
    for number, (row, subject) in enumerate(zip(frame.to_dict("records"), subjects, strict=True), 1):
        try:
            options = _options(row["choices"])
            answer = _answer(row["answer"], options)
            name = "" if is_null(row.get("id")) else f"{row['id']}"
            rows.append({"id": name, "subject": _text(subject, "subject"), "stem": _text(row["question"], "question")})
            rows[-1] |= {"options": options, "answer": answer}
        except ValueError as error:
            raise DataError(f"row {number}: {error}") from None
    return pandas.DataFrame(rows, columns=["id", "subject", "stem", "options", "answer"])


def equal_choices(items: pandas.DataFrame) -> list[int]:
    """The numbers, from 1, of the items two of whose options are equal."""
    return [number for number, options in enumerate(items["options"], 1) if len(set(options)) < len(options)]


def with_choices(frame: pandas.DataFrame) -> pandas.DataFrame:
    """A table with the columns question, choices and answer, from one of another form that is known.

    Choices in columns A, B, C ... become a list, and so do ARC's, whose answer key is the label of one of them.
    Raises DataError for a row of ARC's form that lacks a part of it.
    """
    if "answerKey" in frame:
        return frame.assign(**pandas.DataFrame(map(_of_arc, frame.to_dict("records"), range(1, len(frame) + 1))))
    letters = [letter for letter in LETTERS if letter in frame]
    if "choices" in frame or len(letters) < 2:
        return frame
    rows = frame[letters].to_dict("records")
    return frame.assign(choices=[[value for value in row.values() if not is_null(value)] for row in rows])


def _of_arc(row: dict, number: int) -> dict:
    """ARC's files have question {stem, choices}, its tables question and choices; choices are texts with labels."""
    question, choices = row.get("question"), row.get("choices")
    if isinstance(question, dict):
        question, choices = question.get("stem"), question.get("choices")
    if isinstance(choices, dict):
        choices = [dict(zip(choices, pair, strict=True)) for pair in zip(*choices.values(), strict=True)]
    if not isinstance(choices, Iterable) or not all(
        isinstance(one, dict) and {"text", "label"} <= {*one} for one in choices
    ):
        raise DataError(f"row {number}: an answerKey needs choices with text and label, not {choices!r:.80}")
    labels = [one["label"] for one in choices]
    if row["answerKey"] not in labels:
        raise DataError(
            f"row {number}: the answerKey {row['answerKey']!r} is no label of {', '.join(map(str, labels))}"
        )
    return {"question": question, "choices": [one["text"] for one in choices], "answer": labels.index(row["answerKey"])}


def _check_ids(frame: pandas.DataFrame) -> None:
    """Raise DataError for the first id that stands twice."""
    first: dict = {}
    for number, name in enumerate(frame.get("id", []), 1):
        if name in first and not is_null(name):
            raise DataError(f"row {number} repeats the id {name!r} of row {first[name]}: give each its own")
        first[name] = number


def _text(value, name: str) -> str:
    if is_null(value):
        raise ValueError(f"the {name} is null: write it, or leave the row out")
    return value if isinstance(value, str) else f"{value}"


def is_null(value) -> bool:
    """Whether a published value is missing."""
    return value is None or (isinstance(value, float) and value != value)


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
        raise ValueError(f"the answer {value!r} {reason}: write its index, from 0, as a number")
    return meant.pop()
