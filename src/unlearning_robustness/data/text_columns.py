"""Texts in the forms in which fine-tuning data stand: chats, and prompts with their completions, as TRL has them.

A chat is written as its turns, each behind its role, and not in a model's chat template: texts are the same for every
model of a study. A completion stands behind its prompt as both are, without a space between them.
"""

from collections.abc import Iterable

import pandas

from unlearning_robustness.data.columns import is_null
from unlearning_robustness.data.places import place
from unlearning_robustness.errors import DataError

# Columns of TOFU and MUSE.
IN_WORDS = ("question", "answer", "paraphrased_answer", "option1", "option2", "option3", "option4", "prompt", "gt")
CHAT, PROMPT, COMPLETION = "messages", "prompt", "completion"


def with_texts(table: pandas.DataFrame, path: str) -> pandas.DataFrame:
    """The table of the part ``path`` with a column ``text``, where it has one or can be given one.

    Raises DataError, which names part and row, for a chat, a prompt or a completion that is none.
    """
    if "text" in table:
        return table
    if CHAT in table:
        chats = enumerate(table[CHAT], 1)
        return table.assign(text=[_chat(row, f"{path}: {place(table, number)}") for number, row in chats])
    if {PROMPT, COMPLETION} <= set(table):
        return table.assign(
            text=[
                _joined(prompt, completion, f"{path}: {place(table, number)}")
                for number, (prompt, completion) in enumerate(zip(table[PROMPT], table[COMPLETION], strict=True), 1)
            ]
        )
    return table


def check_column_of_texts(table: pandas.DataFrame, path: str, null: bool) -> None:
    """Raise DataError for the first entry of the column text that is none; published sets may have ``null`` ones."""
    for number, value in enumerate(table.get("text", []), 1):
        if is_null(value) and not null:
            raise DataError(f"{path}: {place(table, number)}: the text is null: write it, or leave the row out")
        if not isinstance(value, str) and not is_null(value):
            raise DataError(f"{path}: {place(table, number)}: the text is {value!r}: write texts, in quotation marks")
        if not null and not value.strip():
            raise DataError(f"{path}: {place(table, number)}: the text is empty: write it, or leave the row out")


def with_words(table: pandas.DataFrame, path: str, names: Iterable[str] = IN_WORDS) -> pandas.DataFrame:
    """A table whose columns ``names``, where it has them, are texts, also numbers. Raises DataError for a null."""
    columns = {}
    for name in [name for name in names if name in table]:
        columns[name] = list(table[name])
        for number, value in enumerate(columns[name], 1):
            if is_null(value):
                raise DataError(f"{path}: {place(table, number)}: the {name} is null: write it, or leave the row out")
            columns[name][number - 1] = value if isinstance(value, str) else f"{value}"
    return table.assign(**columns)


def _joined(prompt, completion, where: str) -> str:
    if isinstance(prompt, str) and isinstance(completion, str):
        return prompt + completion
    for name, value in ((PROMPT, prompt), (COMPLETION, completion)):
        if is_null(value) or not isinstance(value, Iterable) or isinstance(value, str):
            raise DataError(f"{where}: the {name} is {value!r}: write both as texts, or both as chats")
    return _chat([*prompt, *completion], where)


def _chat(messages, where: str) -> str:
    """``user: ...`` and ``assistant: ...``, a line a turn."""
    if is_null(messages) or not isinstance(messages, Iterable) or isinstance(messages, str):
        raise DataError(f"{where}: the chat is {messages!r}: write a list of messages with role and content")
    turns = []
    for message in messages:
        parts = [message.get(key) if isinstance(message, dict) else None for key in ("role", "content")]
        if not all(isinstance(part, str) for part in parts):
            raise DataError(f"{where}: a message is {message!r}: write role and content, both texts")
        turns.append(": ".join(parts))
    if not turns:
        raise DataError(f"{where}: the chat is empty: write its messages, or leave the row out")
    return "\n".join(turns)
