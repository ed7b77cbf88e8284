"""Rows of JSON, one value a line or one list, of CSV, and of plain text; what is wrong is said with its line."""

import csv
import gzip
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EMPTY = "no row in it: give a file with rows"
# Not splitlines(): it also cuts at U+0085 and U+2028, which texts hold.
LINE_END = re.compile(r"\r\n|\n|\r")


class RowError(ValueError):
    """A line, or the whole file, that cannot be read; the text says which and what to do."""


@dataclass(frozen=True)
class Rows:
    """Rows with the ``unit`` ("line" or "row") in which ``numbers`` say where each begins, from 1."""

    values: list
    numbers: Sequence[int]
    unit: str = "line"


def kind_of(path: Path) -> str:
    """The ending that says what a file holds, also where it is compressed: ".csv" of ``a.csv.gz``."""
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def json_rows(path: Path) -> Rows:
    """The rows, mappings or texts, of a file of JSON lines or of one list. Raises RowError naming line and mend."""
    text = _decoded(path)
    if not text.strip():
        raise RowError(EMPTY)
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        lines = [(number, line) for number, line in enumerate(LINE_END.split(text), 1) if line.strip()]
        return _checked(Rows([_row(line, number) for number, line in lines], [number for number, _ in lines]))
    if isinstance(value, dict) and kind_of(path) == ".json" and (name := _wrapper(value)):
        raise RowError(f"it is an object, not a list or lines: save what stands under {name!r} alone")
    if not isinstance(value, list):
        return _checked(Rows([value], [1 + len(LINE_END.findall(text[: text.index(text.strip()[0])]))]))
    if not value:
        raise RowError(EMPTY)
    return _checked(Rows(value, range(1, len(value) + 1), "row"))


def csv_rows(path: Path, header: Sequence[str] = ()) -> Rows:
    """The rows of a CSV file as mappings of texts, None where a field is empty.

    ``header`` names the columns of a file without a first line of names. Raises RowError for a line that has another
    number of fields than there are names, a name that stands twice, and quotation marks that do not end.
    """
    reader = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
    names, values, numbers, last = list(header), [], [], 0
    csv.field_size_limit(2**31 - 1)
    try:
        for fields in reader:
            begin, last = last + 1, reader.line_num
            if not any(field.strip() for field in fields):
                continue
            if not names:
                names = [name.strip() for name in fields]
                _check_names(names, begin)
                continue
            if len(fields) != len(names):
                raise RowError(
                    f"line {begin} has {len(fields)} fields, not {len(names)} ({', '.join(names)}): correct it, or put "
                    "a field that holds a comma in quotation marks"
                )
            values.append({name: field if field.strip() else None for name, field in zip(names, fields, strict=True)})
            numbers.append(begin)
    except csv.Error as error:
        raise RowError(f"line {last + 1} is no CSV ({error}): correct its quotation marks") from None
    if not values:
        raise RowError(EMPTY)
    return Rows(values, numbers)


def paragraphs(path: Path) -> Rows:
    """The paragraphs of plain text, which blank lines part. Raises RowError when there is none or no UTF-8."""
    values, numbers, part = [], [], []
    for number, line in enumerate([*LINE_END.split(_decoded(path)), ""], 1):
        if line.strip():
            part.append(line.strip())
        elif part:
            values.append("\n".join(part))
            numbers.append(number - len(part))
            part = []
    if not values:
        raise RowError(EMPTY)
    return Rows(values, numbers)


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError):
            raise RowError("it is not, or not wholly, compressed by gzip: save it again") from None
    try:
        # A file may begin with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(LINE_END.split(content[: error.start].decode("utf-8")))
        raise RowError(f"line {line} is not UTF-8: save the file as UTF-8") from None


def _row(line: str, number: int):
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise RowError(f"line {number} is no JSON ({error.msg}): correct it, or leave it out") from None


def _checked(rows: Rows) -> Rows:
    for number, row in zip(rows.numbers, rows.values, strict=True):
        _check_letters(row, f"{rows.unit} {number}")
        if not isinstance(row, dict | str) or type(row) is not type(rows.values[0]):
            shape = "a text" if isinstance(rows.values[0], str) else "an object"
            raise RowError(f"{rows.unit} {number} is {row!r:.60}: write {shape}, as others are")
    return rows


def _check_letters(row, where: str) -> None:
    r"""JSON can write half of a letter, such as "\ud800", which no file can hold."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RowError(f"{where} has a lone surrogate, which is no letter: correct it") from None


def _check_names(names: list[str], line: int) -> None:
    for name in names:
        if not name or names.count(name) > 1:
            reason = f"has the column {name!r} twice" if name else "has a column without a name"
            raise RowError(f"line {line} {reason}: name each column once")


def _wrapper(rows: dict) -> str | None:
    """The key whose value is the list of rows in an object of this key alone."""
    (name, value), *others = rows.items() if rows else [(None, None)]
    return name if not others and isinstance(value, list) and all(isinstance(row, dict) for row in value) else None
