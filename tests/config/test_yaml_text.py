"""Keys that stand twice and numbers that YAML reads as others: refused with file and line."""

import pytest

from unlearning_robustness.config.yaml_text import check_text
from unlearning_robustness.errors import ConfigError

REFUSED = [
    ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands in line 1 already: leave one of them out"),
    ("study: {seeds: [0],\n  title: x, seeds: [1]}", "line 2: the key 'seeds' stands in line 1 already"),
    ("study:\n  seeds: [010]", "line 2: YAML reads 010 as 8: write 8, or '010' for a text"),
    ("seeds: [1:30]", "line 1: YAML reads 1:30 as 90"),
    ("seeds: [1_000]", "line 1: YAML reads 1_000 as 1000"),
    ("seeds: [0x1F]", "line 1: YAML reads 0x1F as 31"),
    ("seeds: [0b11]", "line 1: YAML reads 0b11 as 3"),
    ("rate: 1_0.5", "line 1: YAML reads 1_0.5 as 10.5"),
    ("rate: 1:30.5", "line 1: YAML reads 1:30.5 as 90.5"),
    ("methods: {010: {}}", "line 1: YAML reads 010 as 8"),
    ("a: 1\nb: }\nc: 2", "line 2: is no YAML"),
    ("title: 2026-01-31", "line 1: YAML reads 2026-01-31 as a date: put it in quotation marks"),
    ("title: 2026-13-45", "line 1: YAML reads 2026-13-45 as a date"),
    ("a: 1\nb: !!python/object/apply:os.system [ls]", "line 2: is no YAML (could not determine a constructor"),
    ("a: {[b]: 1}", "line 1: is no YAML (found unhashable key)"),
    ("<<: 3", "line 1: is no YAML (expected a mapping"),
    ("seeds: [" + "1" * 5000 + "]", "line 1: 1111111111111111111111111111111111111111… is too long for a number"),
    ("a: 1\nb: &b {c: *b}", "line 2: this holds itself by its anchor: write it out"),
    ("a: &a [*a]", "line 1: this holds itself by its anchor"),
    ("a: 1\n__use_yte__: true\n?a: 1 + 1", "line 2: __use_yte__ makes this a template with code in it"),
]
READ = [
    "", "seeds: [0, 1, -2, +3]", "rate: [1.0e-5, .5, 1., .inf, -.inf, .nan, 1.0E+5]", "name: '010'\nother: \"1:30\"",
    "a: &one {b: 1}\nc: {<<: *one, b: 2}\nd: [*one, *one]", "a: {b: 1}\nc: {b: 1}", '{"a": 1, "b": [2]}',
]  # fmt: skip


def written(text, folder):
    (folder / "study.yaml").write_text(text)
    return folder / "study.yaml"


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_its_writer_did_not_mean_is_refused_with_file_and_line(text, said, tmp_path):
    path = written(text, tmp_path)
    with pytest.raises(ConfigError) as raised:
        check_text(path)
    assert str(raised.value).startswith(f"{path}, {said}") and "\n" not in str(raised.value)


@pytest.mark.parametrize("text", READ)
def test_everything_else_is_left_to_the_schema(text, tmp_path):
    check_text(written(text, tmp_path))


def test_a_file_that_is_nested_without_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"study\.yaml, line 1: is nested too deeply: write it flat"):
        check_text(written("[" * 100_000, tmp_path))


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "study.yaml").write_bytes("title: Prüfung".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"study\.yaml: is no YAML \(.*utf-8"):
        check_text(tmp_path / "study.yaml")
