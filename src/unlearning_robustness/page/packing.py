"""How data lie inside a page: gzip in base64, inert in a script tag, and beside the page where they are too large."""

import base64
import gzip
import json
import math

import pandas

# What pandas raises where a table lacks a column; the second one in queries.
LACKING = (KeyError, NameError)
# Of the 8 MB that a page may take: what answers may take inside it, and what static figures may.
ANSWERS_INSIDE, FIGURES_INSIDE = 4_000_000, 2_000_000
DIGITS = 6


def packed(content: bytes) -> str:
    """``content`` as base64 of gzip, the same for the same content."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def packed_json(value) -> str:
    """A value as JSON, packed; NaN and infinities are null, as JSON has none of them."""
    return packed(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())


def columns_of(table: pandas.DataFrame) -> dict[str, list]:
    """A table by columns, numbers to ``DIGITS`` digits, what is missing as None."""
    return {str(name): [plain(value) for value in table[name].tolist()] for name in table.columns}


def plain(value):
    """A value that JSON has: numbers to ``DIGITS`` digits, NaN and infinities as None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return None if value is pandas.NA else value
