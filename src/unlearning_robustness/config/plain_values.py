"""Values that every path, log, page and job can hold: texts in one line for keys, numbers that float32 holds.

YAML writes more than that: dates, sets, keys that are numbers, NaN, and mappings that hold themselves.
"""

import unicodedata
from collections.abc import Iterator
from math import isfinite

from unlearning_robustness.errors import ConfigError

# Of float32, in which masters, losses and optimisers compute.
SMALLEST = 1.1754944e-38
# The largest seed that every generator takes, and more than anything that is counted.
LARGEST = 4_294_967_295
# Nothing in the schema lies so deep.
DEEPEST = 20
# Controls, halves of characters, and signs that end a line or paragraph.
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")


def check_plain(config: dict) -> None:
    """Raise ConfigError, one line that names the key, for the first key or value that is no plain text or number."""
    for path, problem in _problems(config, ()):
        raise ConfigError(f"{'.'.join(path) or 'config'}: {problem}")


def _problems(value, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if len(path) > DEEPEST:
        yield path[:3], "holds itself, or lies deeper than any key; write it out"
    elif isinstance(value, dict):
        for key, entry in value.items():
            if problem := _key_problem(key):
                yield path, problem
            else:
                yield from _problems(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _problems(entry, (*path, str(number)))
    elif isinstance(value, str):
        if sign := forbidden_in(value.replace("\n", "").replace("\t", "")):
            yield path, f"has the character {sign!a}, which no page shows; leave it out"
    elif not isinstance(value, int | float | None):
        yield path, f"{value!s} is a {type(value).__name__} in YAML; put a text in quotation marks"


def _key_problem(key) -> str | None:
    if not isinstance(key, str):
        return f"the key {key!r} is no text; put it in quotation marks"
    sign = forbidden_in(key)
    return f"the key {key!a} has the character {sign!a}; leave it out" if sign else None


def forbidden_in(text: str) -> str | None:
    """The first character of a text that a line cannot show, or None."""
    if text.isprintable():
        return None
    return next((sign for sign in text if unicodedata.category(sign) in FORBIDDEN), None)


def numbers_beyond(value, path: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """(path, problem) of every number that is not finite, or beyond what anything is counted or measured in."""
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_beyond(entry, (*path, key))
    elif isinstance(value, int | float) and (problem := number_problem(value)):
        yield path, problem


def number_problem(value: float) -> str | None:
    """What is wrong with a number whatever it means, or None."""
    if not isfinite(value):
        return f"must be a finite number, not {value}"
    if abs(value) > LARGEST:
        return f"must be at most {LARGEST}, not {value}"
    if 0 < abs(value) < SMALLEST:
        return f"{value} is 0 for a computation in float32; write 0, or a number from {SMALLEST} on"
    return None
