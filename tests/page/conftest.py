"""A small planted study and its page, made once."""

import pytest
from small_page import page_of, written


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The small study; read only."""
    return written(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def html(small):
    """Its page; read only."""
    return page_of(small)
