"""Which cases of a test run beside every change; the others are ``slow``."""

from collections.abc import Collection, Iterable

import pytest


def slow_but(quick: Collection, cases: Iterable) -> list:
    """The cases as parameters of a test, each of which is slow unless it is among ``quick``; tuples are unpacked."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[] if case in quick else pytest.mark.slow)
        for case in cases
    ]
