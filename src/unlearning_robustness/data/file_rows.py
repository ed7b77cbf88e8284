"""Rows of a JSON file, one value a line or one list, or of plain text; what is wrong is said with its line."""

import json
from pathlib import Path


class RowError(ValueError):
    """A line, or the whole file, that cannot be read; the text says which and what to do."""


def json_rows(path: Path) -> list:
    """The rows of a file of JSON lines, or of one list. Raises RowError naming the line and the mend."""
    text = _decoded(path.read_bytes())
    if not text.strip():
        raise RowError("no row in it: give a file with rows")
    try:
        rows = json.loads(text)
    except json.JSONDecodeError:
        # Not splitlines(): it also cuts at U+0085 and U+2028, which texts hold.
        lines = enumerate(text.split("\n"), 1)
        return [_row(line, number) for number, line in lines if line.strip()]
    if isinstance(rows, dict) and path.suffix == ".json" and (name := _wrapper(rows)):
        raise RowError(f"it is an object, not a list or lines: save what stands under {name!r} alone")
    rows = rows if isinstance(rows, list) else [rows]
    for number, row in enumerate(rows, 1):
        _check_letters(row, f"row {number}")
    return rows


def paragraphs(path: Path) -> list[str]:
    """The paragraphs of plain text, which blank lines part. Raises RowError when there is none or no UTF-8."""
    text = "\n".join(line.strip() for line in _decoded(path.read_bytes()).split("\n"))
    parts = [part.strip("\n") for part in text.split("\n\n")]
    if not (found := [part for part in parts if part]):
        raise RowError("no row in it: give a file with rows")
    return found


def _decoded(content: bytes) -> str:
    try:
        # A file may begin with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RowError(f"line {line} is not UTF-8: save the file as UTF-8") from None


def _row(line: str, number: int):
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise RowError(f"line {number} is no JSON ({error.msg}): correct it, or leave it out") from None
    _check_letters(row, f"line {number}")
    return row


def _check_letters(row, where: str) -> None:
    r"""JSON can write half of a letter, such as "\ud800", which no file can hold."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RowError(f"{where} has a lone surrogate, which is no letter: correct it") from None


def _wrapper(rows: dict) -> str | None:
    """The key whose value is the list of rows in an object of this key alone."""
    (name, value), *others = rows.items() if rows else [(None, None)]
    return name if not others and isinstance(value, list) and all(isinstance(row, dict) for row in value) else None
