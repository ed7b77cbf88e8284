"""Where the rows of a table stand: in which file, at which line. A table carries it along, also into parquet."""

from bisect import bisect_right
from collections.abc import Sequence

import pandas

KEY = "places"


def with_places(table: pandas.DataFrame, file: str, unit: str, numbers: Sequence[int]) -> pandas.DataFrame:
    """The table, whose rows begin at ``numbers`` of a ``file``, counted in ``unit`` ("line" or "row")."""
    # One entry wherever numbers do not go on by one: pandas copies what a table carries with every operation.
    runs = [[row, number] for row, number in enumerate(numbers) if row == 0 or number != numbers[row - 1] + 1]
    table = table.copy(deep=False)
    table.attrs = {KEY: [[0, file, unit, runs]]}
    return table


def joined(tables: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """The tables of several files, one after another, each row with its own place."""
    whole, first, places = pandas.concat(tables, ignore_index=True), 0, []
    for table in tables:
        places += [[first + start, *rest] for start, *rest in table.attrs.get(KEY, [])]
        first += len(table)
    whole.attrs = {KEY: places} if places else {}
    return whole


def place(table: pandas.DataFrame, number: int) -> str:
    """Where row ``number`` of the table, from 1, stands; its number alone where the table carries nothing."""
    files = table.attrs.get(KEY)
    if not files:
        return f"row {number}"
    start, file, unit, runs = files[bisect_right(files, number - 1, key=lambda entry: entry[0]) - 1]
    row, first = runs[bisect_right(runs, number - 1 - start, key=lambda run: run[0]) - 1]
    return f"{file}, {unit} {first + number - 1 - start - row}"
