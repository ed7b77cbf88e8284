"""Tables as files: csv, read for one model and benchmark."""

from collections.abc import Iterable
from pathlib import Path

import pandas


def read_tables(paths: Iterable[str | Path], model: str, benchmark: str) -> dict[str, pandas.DataFrame]:
    """The tables of one model and benchmark, by name."""
    tables = {Path(path).stem: _read(path) for path in paths}
    return {
        name: table[(table["model"] == model) & (table["benchmark"] == benchmark)] if len(table) else table
        for name, table in tables.items()
    }


def _read(path: str | Path) -> pandas.DataFrame:
    # "none" is an id here, not a missing value.
    try:
        return pandas.read_csv(path, keep_default_na=False, na_values=[""])
    except pandas.errors.EmptyDataError:
        return pandas.DataFrame()
