import json

import pandas
import pytest
from hub_server import serving

from unlearning_robustness.data.sources import chosen, fetch, read_table
from unlearning_robustness.errors import FetchError
from unlearning_robustness.models.loading import verify

COMMIT = "d" * 40
TABLE = pandas.DataFrame({"question": ["a?", "b?", "c?"], "answer": [0, 1, 2]})
WORDS = {"license": "MIT", "note": "made by a test"}


def parquet(table, folder):
    table.to_parquet(folder / "made.parquet", index=False)
    return (folder / "made.parquet").read_bytes()


@pytest.fixture
def files(tmp_path):
    return {
        "bio/test-00000-of-00002.parquet": parquet(TABLE[:2], tmp_path),
        "bio/test-00001-of-00002.parquet": parquet(TABLE[2:], tmp_path),
        "lines.json": b'{"question": "x"}\n\n{"question": "y"}\n',
        "list.json": json.dumps([{"question": "x"}, {"question": "y"}]).encode(),
        "texts.json": json.dumps(["one", "two"]).encode(),
        "table.csv": b"question,answer\nx,1\n",
        "README.md": b"a card",
    }


PARTS = {"bio": "bio/test-*.parquet", "lines": "lines.json", "texts": "texts.json", "rows": "table.csv"}


@pytest.fixture
def hub(files, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        running.add("lab/data", COMMIT, files, kind="datasets")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def from_hub(tmp_path, parts=PARTS):
    hub = {"repository": "lab/data", "revision": COMMIT, "token_required": False}
    return fetch({"hub": hub, "files": parts, **WORDS}, tmp_path / "source", tmp_path / "scratch")


def test_every_part_becomes_one_table_with_a_manifest(hub, tmp_path):
    manifest = from_hub(tmp_path)
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "source" / "bio.parquet"), TABLE)
    assert list(pandas.read_parquet(tmp_path / "source" / "texts.parquet")["text"]) == ["one", "two"]
    assert set(manifest["files"]) == {f"{part}.parquet" for part in PARTS}
    assert len(manifest["raw_sha256"]) == 5
    assert verify(tmp_path / "source") == manifest["digest"]
    assert hub.asked("README.md") == hub.asked("list.json") == []
    assert not (tmp_path / "scratch").exists()


def test_files_of_another_revision_in_scratch_are_not_mixed_in(hub, files, tmp_path):
    (tmp_path / "scratch" / "bio").mkdir(parents=True)
    (tmp_path / "scratch" / "bio" / "test-00002-of-00003.parquet").write_bytes(parquet(TABLE, tmp_path))
    from_hub(tmp_path)
    assert len(pandas.read_parquet(tmp_path / "source" / "bio.parquet")) == 3


def test_a_folder_gives_the_same_tables(hub, files, tmp_path):
    for name, content in files.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(content)
    settings = {"path": str(tmp_path / "own"), "files": PARTS, **WORDS}
    assert fetch(settings, tmp_path / "ours", tmp_path / "none")["digest"] == from_hub(tmp_path)["digest"]
    assert (tmp_path / "own" / "lines.json").exists()


def test_a_part_without_a_file_names_what_there_is(hub, tmp_path):
    with pytest.raises(FetchError) as raised:
        from_hub(tmp_path, {"chem": "chem/*.parquet"})
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert [part for part in ("files.chem", "chem/*.parquet", "table.csv") if part not in text] == []
    assert hub.asked("/resolve/", "HEAD") == []


def test_json_is_read_as_lines_and_as_a_list(files, tmp_path):
    for name, content in files.items():
        path = tmp_path / name.replace("/", "-")
        path.write_bytes(content)
        if path.suffix == ".json" and name != "texts.json":
            assert list(read_table(path, tmp_path / "cache")["question"]) == ["x", "y"]


@pytest.mark.parametrize("name", ["a.parquet", "a.json", "a.jsonl", "a.csv"])
def test_a_file_that_is_no_table_ends_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"<html>\nsorry,\xff")
    with pytest.raises(FetchError) as raised:
        read_table(tmp_path / name, tmp_path / "cache")
    assert name in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


LONG_LINE = "Which is right?\x85A second line of the question\u2028and a third"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_text_with_unusual_line_ends_stays_whole(tmp_path, name):
    """Two questions of MMLU hold U+0085, at which Python's splitlines cuts."""
    table = pandas.DataFrame({"question": [LONG_LINE, "b?"], "answer": [0, 1]})
    path = tmp_path / "a folder [1]" / name
    path.parent.mkdir()
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_dict("records")))
    else:
        write = {".json": table.to_json, ".csv": table.to_csv, ".parquet": table.to_parquet}[path.suffix]
        write(path, **({"orient": "records", "force_ascii": False} if name == "a.json" else {"index": False}))
    # CSV says of nothing whether it is a number.
    expected = table.astype(str) if name == "a.csv" else table
    pandas.testing.assert_frame_equal(read_table(path, tmp_path / "cache"), expected)


def test_published_columns_keep_their_values_and_only_scratch_is_written(tmp_path, monkeypatch):
    """A column of dates stays text, lists stay lists, and no cache of the home folder is touched."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rows = [{"answer": "1990-01-01", "choices": ["a", "b"], "answer_index": 1}, {"answer": "1991-02-03", "choices": []}]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "dates.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = pandas.DataFrame(rows)
    table.to_parquet(tmp_path / "own" / "lists.parquet", index=False)
    settings = {"path": str(tmp_path / "own"), "files": {"dates": "dates.jsonl", "lists": "lists.parquet"}, **WORDS}
    fetch(settings, tmp_path / "source", tmp_path / "scratch")
    for part in settings["files"]:
        written = pandas.read_parquet(tmp_path / "source" / f"{part}.parquet")
        assert list(written["answer"]) == ["1990-01-01", "1991-02-03"] and written["answer_index"][0] == 1
        assert [list(choices) for choices in written["choices"]] == [["a", "b"], []]
    assert {path.name for path in tmp_path.iterdir()} == {"own", "source"}


def test_parts_take_the_files_that_match_in_order():
    names = ["b/x-1.csv", "a/x.csv", "b/x-0.csv", "b/y.csv"]
    assert chosen({"p": "b/x-*.csv", "q": "a/x.csv"}, names) == {"p": ["b/x-0.csv", "b/x-1.csv"], "q": ["a/x.csv"]}
