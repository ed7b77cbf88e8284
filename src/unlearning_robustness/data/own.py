"""Questions and texts of one's own. The columns that a file may have, under these names or mapped to them:

- questions with choices: ``question``; ``choices``, a list, or columns ``A``, ``B`` and so on; ``answer``, an index
  from 0, a letter, or a choice's text;
- open questions: ``question``, ``answer``, and, where they are given, ``wrong_answers`` and ``paraphrases`` (lists);
- either: ``subject``, ``id``, ``entity`` (all questions of one fall into one split) and ``split`` (relearn, select or
  test, for all questions or for none);
- texts: ``text``, ``messages``, or ``prompt`` and ``completion``, with ``entity``; open questions serve as texts too.
"""

from collections.abc import Iterable

import pandas

from unlearning_robustness.data.checked_items import checked_items, with_choices
from unlearning_robustness.data.columns import is_null
from unlearning_robustness.data.items import answered, corpus
from unlearning_robustness.data.places import place
from unlearning_robustness.data.tofu import prompt_of, text_of
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

SPLITS = ("relearn", "select", "test")


def offers_choices(frame: pandas.DataFrame) -> bool:
    """Whether a table's questions have choices; without them they are open."""
    return "answerKey" in frame or "choices" in with_choices(frame.head(0))


def items(frame: pandas.DataFrame, part: str) -> pandas.DataFrame:
    """Questions with choices as items; without a subject they are about the part's name."""
    _need(frame, ("question", "answerKey" if "answerKey" in frame else "answer"))
    frame = with_choices(frame)
    _need(frame, ("choices",))
    subjects = frame["subject"] if "subject" in frame else [part.replace("-", " ")] * len(frame)
    return checked_items(frame, subjects).assign(entity=_named(frame, "entity"), split=_splits(frame))


def questions(
    frame: pandas.DataFrame, role: str, splits: dict[str, int], seed: str, distractors: int
) -> pandas.DataFrame:
    """The questions table of open questions: whole answers are choices, ``distractors`` of them wrong.

    Wrong ones are drawn from ``wrong_answers``, else from the answers to the table's other questions. Raises DataError
    that names the row where there are too few.
    """
    _need(frame, ("question", "answer"))
    entities, given, rows = _named(frame, "entity"), _splits(frame), []
    every = sorted(set(frame["answer"]))
    for number, row in enumerate(frame.to_dict("records"), 1):
        for name in ("question", "answer"):
            if not row[name].strip():
                raise DataError(f"{place(frame, number)}: the {name} is empty: write it, or leave the row out")
        pool = _wrong(row["wrong_answers"], place(frame, number)) if "wrong_answers" in frame else every
        pool = [answer for answer in pool if answer != row["answer"]]
        if len(pool) < distractors:
            raise DataError(
                f"{place(frame, number)}: there are {len(pool)} wrong answers, not {distractors}: give more, or lower "
                "benchmarks.*.distractors"
            )
        wrong = shuffler(seed, f"{role}/{number - 1}/wrong").sample(pool, distractors)
        entity = entities[number - 1] or f"{role}-question-{number - 1}"
        rows.append({"entity": entity, "prompt": prompt_of(row["question"]), "right": row["answer"], "wrong": wrong})
    return answered(rows, role, "open", splits, seed, given)


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int) -> pandas.DataFrame:
    """Texts of at least ``minimum_characters``; those of one ``entity`` are trained on, or held out, together."""
    if "text" not in frame and "answer" in frame:
        _need(frame, ("question",))
        pairs = zip(frame["question"], frame["answer"], strict=True)
        frame = frame.assign(text=[text_of(question, answer) for question, answer in pairs])
    _need(frame, ("text",))
    entities = [entity or f"{name}-text-{row}" for row, entity in enumerate(_named(frame, "entity"))]
    frame = frame.assign(entity=entities)[frame["text"].str.len() >= minimum_characters]
    return corpus(name, frame["text"].tolist(), frame["entity"].tolist(), "article", frame.index)


def _named(frame: pandas.DataFrame, column: str) -> list[str]:
    """The column as texts, empty where it says nothing."""
    return ["" if is_null(value) else f"{value}" for value in frame.get(column, [None] * len(frame))]


def _splits(frame: pandas.DataFrame) -> list[str]:
    splits = _named(frame, "split")
    for number, split in enumerate(splits, 1):
        if any(splits) and split not in SPLITS:
            raise DataError(
                f"{place(frame, number)}: the split {split!r} is none of {', '.join(SPLITS)}: write one, or leave the "
                "column out"
            )
    return splits


def _wrong(value, where: str) -> list[str]:
    """The different texts of a list of wrong answers."""
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(text, str) for text in value):
        shown = value.tolist() if hasattr(value, "tolist") else value
        raise DataError(f"{where}: wrong_answers must be a list of texts, not {shown!r:.60}")
    return list(dict.fromkeys(value))


def _need(frame: pandas.DataFrame, columns: tuple[str, ...]) -> None:
    for column in columns:
        if column not in frame:
            raise DataError(
                f"no column {column!r} but {', '.join(map(str, frame))[:300]}: name the column that has it in "
                f"sources.*.columns.{column}, or all in sources.*.header where the first line is a row"
            )
