"""No pickle is read: one that is planted where a file is read does not run."""

import io
import pickle
import re
from pathlib import Path

import pytest

from unlearning_robustness.data import model_sources, sources
from unlearning_robustness.engine.activation_cache import load_caches
from unlearning_robustness.errors import StudyError
from unlearning_robustness.models.delta import load_delta
from unlearning_robustness.models.loading import load_model
from unlearning_robustness.scoring import records

ROOT = Path(__file__).parents[2]


def line_of(act):
    with pytest.raises(StudyError) as raised:
        act()
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


class Planted:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (Path.touch, (self.sentinel,))


@pytest.fixture
def planted(tmp_path):
    """A pickle that would make ``tmp_path/ran``, and its bytes as torch and as Python write them."""
    import torch

    sentinel, buffer = tmp_path / "ran", io.BytesIO()
    torch.save({"model.embed_tokens.weight": Planted(sentinel)}, buffer)
    yield [pickle.dumps(Planted(sentinel)), buffer.getvalue()]
    assert not sentinel.exists()


def test_the_planted_pickle_runs_where_it_is_read(tmp_path):
    pickle.loads(pickle.dumps(Planted(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


NAMES = ["model.safetensors", "pytorch_model.bin", "adapter_model.bin", "tokenizer.json", "config.json"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pickle_in_a_folder_of_a_model_is_refused_in_one_line(tiny_model, tiny_tokenizer, planted, tmp_path, name):
    for number, content in enumerate(planted):
        folder = tmp_path / f"source{number}"
        tiny_model.save_pretrained(folder)
        tiny_tokenizer.save_pretrained(folder)
        if name.endswith(".bin"):
            (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(content)
        settings = {"path": str(folder), "license": "x", "note": "x"}
        line_of(lambda: model_sources.fetch(settings, tmp_path / "model", tmp_path / "scratch"))  # noqa: B023


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.json", "a.jsonl", "a.jsonl.gz", "a.txt"])
def test_a_pickle_among_ones_own_files_is_refused_in_one_line(planted, tmp_path, name):
    (tmp_path / "in").mkdir()
    for content in planted:
        (tmp_path / "in" / name).write_bytes(content)
        settings = {"path": str(tmp_path / "in"), "files": {"part": name}, "license": "x", "note": "x"}
        line_of(lambda: sources.fetch(settings, tmp_path / "out", tmp_path / "scratch"))  # noqa: B023


READERS = {
    "delta": lambda path: load_delta(path, "digest"),
    "activation cache": load_caches,
    "model": lambda path: load_model(path.parent),
    "records": lambda path: records.read([path]),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pickle_in_the_place_of_an_artefact_is_not_run(planted, tmp_path, reader):
    for content in planted:
        (tmp_path / "artefact").write_bytes(content)
        (tmp_path / "manifest.json").write_bytes(content)
        with pytest.raises(Exception):  # noqa: B017 - which one, and its line, is for the tests of artefacts
            READERS[reader](tmp_path / "artefact")


def test_the_repository_reads_no_pickle():
    reads = re.compile(
        r"torch\.load\(|\b(pickle|dill|joblib|shelve|marshal)\b|_pickle|trust_remote_code=True"
        r"|yaml\.(unsafe_|full_)?load\((?!text, Loader=LOADER)"
    )
    for folder in ("src", "workflow_scripts", "rules", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".smk"):
                assert not reads.search(path.read_text()), path
