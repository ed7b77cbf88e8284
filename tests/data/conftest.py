"""Tables of published columns that several tests read."""

import numpy
import pandas
import pytest


@pytest.fixture
def published():
    """MMLU's columns as parquet gives them: arrays of choices, thirty questions of three subjects, one asked twice."""
    subjects = ["virology", "high_school_biology", "world_religions"]
    rows = [
        {
            "question": f"Question {number % 29}?",
            "subject": subjects[number % 29 % 3],
            "choices": numpy.array([f"{number % 29}-{letter}" for letter in "abcd"], dtype=object),
            "answer": number % 4,
        }
        for number in range(30)
    ]
    return pandas.DataFrame(rows)
