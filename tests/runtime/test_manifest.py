import hashlib
from pathlib import Path

import pytest

from unlearning_robustness.runtime.manifest import Provenance, atomic, digest_of, file_digest, read_json, write_json


def test_the_order_of_keys_does_not_matter_to_a_digest_and_values_do():
    assert digest_of({"a": 1, "b": [2, 3]}) == digest_of({"b": [2, 3], "a": 1})
    assert len({digest_of(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, [1, 2], [2, 1])}) == 6


def test_the_digest_of_a_file_is_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(b"content" * 1000)
    assert file_digest(tmp_path / "file") == hashlib.sha256(b"content" * 1000).hexdigest()


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent and not path.exists()
    assert path.read_text() == "half" and list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="planned"), atomic(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError("planned")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_json_comes_back_and_its_bytes_do_not_depend_on_the_order_of_keys(tmp_path):
    value = {"b": [1, 2.5, None], "a": {"ü": "text"}, "c": True}
    write_json(tmp_path / "one.json", value)
    write_json(tmp_path / "two.json", dict(reversed(value.items())))
    assert read_json(tmp_path / "one.json") == value
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_values_that_json_lacks_are_written_as_text(tmp_path):
    write_json(tmp_path / "file.json", {"path": Path("a/b")})
    assert read_json(tmp_path / "file.json") == {"path": "a/b"}


def test_provenance_joins_early_and_late_facts_with_the_machine(tmp_path):
    provenance = Provenance(rule="unlearn", wildcards={"seed": "1"})
    provenance.write(tmp_path / "manifest.json", steps=60)
    written = read_json(tmp_path / "manifest.json")
    assert (written["rule"], written["wildcards"], written["steps"]) == ("unlearn", {"seed": "1"}, 60)
    assert written["versions"]["torch"] and written["versions"]["transformers"]
    assert 0 <= written["wall_seconds"] < 60 and written["cpu_seconds"] > 0 and written["peak_memory_mb"] > 1
