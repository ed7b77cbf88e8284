"""What published question sets and texts become: lettered multiple-choice questions and corpora.

Items are a frame with columns subject, stem, options (a list of texts) and answer (an index). Pure functions of frames.
"""

import hashlib
from collections.abc import Sequence

import pandas

from unlearning_robustness.data.questions import assign_splits
from unlearning_robustness.errors import DataError
from unlearning_robustness.seeds import shuffler

LETTERS = ["A", "B", "C", "D"]


def prompt_of(subject: str, stem: str, options: Sequence[str]) -> str:
    """The prompt of lm-eval's mmlu and wmdp tasks, zero-shot; the answer is a letter behind one space."""
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=True))
    intro = f"The following are multiple choice questions (with answers) about {subject}."
    return f"{intro}\n\n{stem.strip()}\n{lines}\nAnswer:"


def lettered(items: pandas.DataFrame, role: str, splits: dict[str, int], seed: str) -> pandas.DataFrame:
    """The questions table of items: one fact each, answered by a letter.

    ``splits`` are shares; the same stem asked twice is one entity, so that both fall into one split. Raises DataError
    for an item that has not four options, or no right one.
    """
    items = items.reset_index(drop=True)
    entities = [_entity(row.subject, row.stem) for row in items.itertuples()]
    order = sorted(set(entities))
    shuffler(seed, f"{role}/splits").shuffle(order)
    split = assign_splits(order, splits)
    rows = []
    for row, entity in zip(items.itertuples(), entities, strict=True):
        fact = f"{role}/{row.subject.replace(' ', '-')}/{row.Index}"
        if len(row.options) != len(LETTERS) or int(row.answer) not in range(len(LETTERS)):
            raise DataError(
                f"{fact}: {len(row.options)} options, answer {row.answer}: four options and 0 to 3 are needed"
            )
        rows.append(
            {
                "question": f"{fact}/0",
                "fact": fact,
                "entity": entity,
                "relation": row.subject,
                "role": role,
                "split": split[entity],
                "template": 0,
                "prompt": prompt_of(row.subject, row.stem, row.options),
                "choices": list(LETTERS),
                "answer": int(row.answer),
            }
        )
    return pandas.DataFrame(rows)


def _entity(subject: str, stem: str) -> str:
    text = f"{subject}\n{' '.join(stem.split()).lower()}"
    return f"{subject}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def corpus(name: str, texts: Sequence[str], entities: Sequence[str], kind: str) -> pandas.DataFrame:
    """Rows of the corpora table: columns corpus, document, entity, kind, text."""
    documents = [f"{name}/{index}" for index in range(len(texts))]
    return pandas.DataFrame(
        {"corpus": name, "document": documents, "entity": list(entities), "kind": kind, "text": list(texts)}
    )


def need_columns(frame: pandas.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise DataError when a published table has not the columns that its reader reads."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"{what} has no column {missing[0]!r} but {', '.join(map(str, frame))}: pin another revision")
