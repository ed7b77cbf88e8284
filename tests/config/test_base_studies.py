import pytest

from unlearning_robustness.config.base_studies import base_studies
from unlearning_robustness.errors import ConfigError


@pytest.fixture
def studies(tmp_path):
    (tmp_path / "shared").mkdir()
    for name in ("one.yaml", "shared/two.yaml"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_parts_are_files_below_the_studies_in_the_order_given(studies):
    assert base_studies({}, studies) == []
    parts = base_studies({"builds_on": ["shared/two", "one"]}, studies)
    assert parts == [studies / "shared" / "two.yaml", studies / "one.yaml"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["three"], ["builds_on:", "'three'", "one, shared/two"]),
        (["../one"], ["builds_on:", "'../one'"]),
        ("one", ["builds_on:", "must be a list", "'one'"]),
        ([1], ["builds_on:", "must be a list"]),
    ],
)
def test_what_is_no_file_there_is_one_line(studies, names, words):
    with pytest.raises(ConfigError) as raised:
        base_studies({"builds_on": names}, studies)
    assert all(word in str(raised.value) for word in words) and "\n" not in str(raised.value)
