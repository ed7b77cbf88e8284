"""Draw a figure by name, as the rule does; a warning is an error."""

import warnings

import pytest

from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import pyplot, style


@pytest.fixture
def draw():
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield lambda name, context: FIGURES[name](context)
        pyplot.close("all")
