"""Columns of files whose names or types are not what the readers know."""

from collections.abc import Mapping

import pandas

from unlearning_robustness.data.places import place
from unlearning_robustness.errors import FetchError

# Of a whole number in a table.
LARGEST = 2**63 - 1


def renamed(table: pandas.DataFrame, columns: Mapping[str, str | list[str]], files: str) -> pandas.DataFrame:
    """The table with the columns named by the keys of ``columns``, of the file's columns that they map to.

    A list of columns becomes one column of lists, without what is missing at a list's end. Other columns stay, unless a
    key takes their name. Raises FetchError for a column that the files do not have, or a gap in a list.
    """
    for name, own in columns.items():
        for column in [own] if isinstance(own, str) else own:
            if column not in table:
                raise FetchError(
                    f"{files}: no column {column!r} but {', '.join(map(str, table))[:300]}: correct "
                    f"sources.*.columns.{name}"
                )
    values = {
        name: table[own] if isinstance(own, str) else gathered(table, own, FetchError) for name, own in columns.items()
    }
    used = {column for own in columns.values() for column in ([own] if isinstance(own, str) else own)}
    return table.drop(columns=[column for column in used if column not in columns]).assign(**values)


def gathered(table: pandas.DataFrame, columns: list[str], error: type[Exception]) -> list[list]:
    """For each row the values of ``columns``, without what is missing at the end; ``error`` for one missing before."""
    rows = []
    for number, row in enumerate(table[columns].to_dict("records"), 1):
        values = [None if is_null(value) else value for value in row.values()]
        while values and values[-1] is None:
            values.pop()
        if None in values:
            raise error(f"{place(table, number)}: {columns[values.index(None)]} is empty, and one behind it is not")
        rows.append(values)
    return rows


def is_null(value) -> bool:
    """Whether a published value is missing."""
    return value is None or (isinstance(value, float) and value != value)


def check_types(table: pandas.DataFrame) -> None:
    """Raise FetchError for the first number that is too large, or value of another type than the column's first one."""
    for column in table.select_dtypes(["object", "str"]):
        kinds = [(number, _kind(value)) for number, value in enumerate(table[column], 1) if not is_null(value)]
        for number, value in enumerate(table[column], 1):
            if isinstance(value, int) and abs(value) > LARGEST:
                raise FetchError(f"{place(table, number)}: {column} is {str(value)[:20]}…: write it in quotation marks")
        (begin, first), *others = kinds or [(0, "")]
        for number, kind in others:
            if kind != first:
                raise FetchError(
                    f"{place(table, number)}: {column} is {kind}, and {first} in {place(table, begin)}: "
                    "write all one way"
                )


def _kind(value) -> str:
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")
