import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from hub_server import serving

from unlearning_robustness.data.hub import Repository, fetch_files, git_blob, list_files, online
from unlearning_robustness.errors import FetchError

COMMIT, OTHER = "a" * 40, "b" * 40
LARGE = bytes(range(256)) * 4000
WANTED = ["config.json", "weights.safetensors", "sub/more.parquet"]
FILES = dict(zip([*WANTED, "code.py"], [b'{"a": 1}', LARGE, b"more" * 100, b"evil"], strict=True))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with one model; the client has no token, an empty cache, and does not really wait."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving() as running:
        running.add("lab/model", COMMIT, FILES)
        running.naps = []
        monkeypatch.setattr(time, "sleep", running.naps.append)
        yield running


@pytest.fixture
def fetch(hub, tmp_path):
    def run(name="lab/model", revision=COMMIT, wanted=WANTED, **changes):
        repository = Repository(name, revision, endpoint=hub.url, **changes)
        return fetch_files(repository, lambda names: wanted, tmp_path / "got")

    return run


def message_of(raised):
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text


def refused(fetch, *parts, **arguments):
    with pytest.raises(FetchError) as raised:
        fetch(**arguments)
    text = message_of(raised)
    assert [part for part in parts if part not in text] == [], text


def test_the_wanted_files_arrive_whole_and_no_others(fetch, hub, tmp_path):
    files = fetch()
    for file in files:
        assert (tmp_path / "got" / file.path).read_bytes() == FILES[file.path]
    assert not (tmp_path / "got" / "code.py").exists()
    assert hub.asked("code.py") == []
    assert [bool(file.sha256) for file in files] == [False, True, True]


def test_a_path_that_leads_out_of_the_folder_is_not_listed(hub):
    hub.add("lab/model", OTHER, {"../../evil.parquet": b"x", "/etc/evil.parquet": b"x", "good.parquet": b"x"})
    assert list(list_files(Repository("lab/model", OTHER, endpoint=hub.url))) == ["good.parquet"]


def test_what_is_whole_is_not_loaded_again(fetch, hub):
    fetch()
    before = len(hub.requests)
    fetch()
    later = [path for _, path, _ in hub.requests[before:]]
    assert later == [f"/api/models/lab/model/tree/{COMMIT}"]


def test_a_cut_transfer_goes_on_where_it_broke(fetch, hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.fault("/storage/", cut=300_000)
    hub.fault("/storage/", cut=700_000)
    fetch()
    assert (tmp_path / "got" / "weights.safetensors").read_bytes() == LARGE
    ranges = [headers.get("Range") for headers in hub.asked("weights.safetensors")]
    assert ranges[-3:] == [None, "bytes=300000-", "bytes=700000-"]


def test_after_a_failed_run_only_the_missing_files_are_loaded(fetch, hub, tmp_path):
    hub.fault("more.parquet", times=99, status=500)
    refused(fetch, "sub/more.parquet", "500", "run again")
    hub.faults.clear()
    hub.requests.clear()
    fetch()
    assert hub.asked("weights.safetensors") == []
    assert len(hub.asked("/storage/")) == 1
    assert (tmp_path / "got" / "sub" / "more.parquet").read_bytes() == FILES["sub/more.parquet"]


def test_a_truncated_local_file_is_replaced(fetch, tmp_path):
    fetch()
    (tmp_path / "got" / "weights.safetensors").write_bytes(LARGE[:-1])
    (tmp_path / "got" / "config.json").write_bytes(b'{"a": 2}')
    fetch()
    assert (tmp_path / "got" / "weights.safetensors").read_bytes() == LARGE
    assert (tmp_path / "got" / "config.json").read_bytes() == FILES["config.json"]


def test_passing_faults_are_waited_out(fetch, hub):
    hub.fault("/tree/", times=2, status=500)
    hub.fault("config.json", times=2, status=503)
    hub.fault("weights", method="HEAD", status=502)
    hub.fault("/storage/", status=429, headers={"Retry-After": "7"})
    fetch()
    assert 8.0 in hub.naps, "a 429 says how long to wait"
    assert {1, 2} <= set(hub.naps)


@pytest.mark.parametrize(
    ("place", "status", "parts"),
    [
        ("/tree/", 500, ["lab/model", "{hub} has a fault (500)", "run again later", "HF_ENDPOINT"]),
        ("/storage/", 500, ["weights.safetensors", "{storage} has a fault (500)", "run again later"]),
        ("/tree/", 429, ["429", "HF_TOKEN"]),
        ("/storage/", 429, ["429", "wait"]),
        ("/tree/", 418, ["418", "/lab/model"]),
    ],
)
def test_lasting_faults_end_after_bounded_tries(fetch, hub, place, status, parts):
    hub.fault(place, times=10_000, status=status)
    refused(fetch, *(part.format(hub=hub.url, storage=hub.storage) for part in parts))
    assert len(hub.asked(place)) <= 20
    assert all(nap <= 8 for nap in hub.naps)


def test_wrong_bytes_are_refused_and_removed(fetch, hub, tmp_path):
    hub.fault("/storage/", times=99, content=LARGE[::-1])
    refused(fetch, "weights.safetensors", "digest", "HF_ENDPOINT")
    assert not (tmp_path / "got" / "weights.safetensors").exists()


def test_wrong_bytes_of_a_small_file_are_noticed_and_loaded_again(fetch, hub, tmp_path):
    hub.fault("config.json", content=b'{"a": 7}')
    fetch()
    assert (tmp_path / "got" / "config.json").read_bytes() == FILES["config.json"]
    assert len(hub.asked("config.json")) == 2


def test_a_body_that_ends_early_every_time_is_refused(fetch, hub, tmp_path):
    hub.fault("/storage/", times=99, content=LARGE[:1000])
    refused(fetch, "weights.safetensors", "cut short", "run again")
    assert not (tmp_path / "got" / "weights.safetensors").exists()


def test_an_unknown_repository_revision_or_file(fetch, hub, monkeypatch):
    refused(fetch, "nobody/nothing", "401", "HF_TOKEN", name="nobody/nothing")
    refused(fetch, OTHER, "404", "commits/main", revision=OTHER)
    hub.fault("config.json", times=9, method="HEAD", status=404, code="EntryNotFound")
    refused(fetch, "config.json", "404", f"tree/{COMMIT}")
    monkeypatch.setenv("HF_TOKEN", "mine")
    refused(fetch, "nobody/nothing", "404", "correct repository", name="nobody/nothing")


def test_a_gated_repository(fetch, hub, monkeypatch):
    hub.add("lab/gated", COMMIT, FILES, granted=["granted"])
    refused(fetch, "401", "accept its terms", "HF_TOKEN", name="lab/gated")
    hub.requests.clear()
    refused(fetch, "gated", f"{hub.url}/lab/gated", "HF_TOKEN", name="lab/gated", token_required=True)
    assert hub.asked("/resolve/", "HEAD") == []
    monkeypatch.setenv("HF_TOKEN", "other")
    refused(fetch, "403", "ask for it", "HF_TOKEN", name="lab/gated")
    monkeypatch.setenv("HF_TOKEN", "granted")
    assert len(fetch(name="lab/gated", token_required=True)) == 3


def test_a_hub_that_cannot_be_reached(tmp_path, hub):
    with serving() as gone:
        closed = gone.url
    repository = Repository("lab/model", COMMIT, endpoint=closed)
    with pytest.raises(FetchError) as raised:
        fetch_files(repository, lambda names: WANTED, tmp_path / "got")
    text = message_of(raised)
    assert closed in text
    for part in ("cannot be reached", "network", "HF_ENDPOINT", "path"):
        assert part in text


def test_a_storage_that_cannot_be_reached_is_named_and_not_the_hub(fetch, hub):
    with serving() as gone:
        hub.storage = gone.storage
    refused(fetch, f"{hub.storage} cannot be reached", "lab/model")


def test_too_little_disk_is_noticed_before_anything_is_loaded(fetch, hub, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, len(LARGE)))
    refused(fetch, "lab/model needs 0.0 GB", "are free", "larger disk")
    assert hub.asked("/resolve/", "HEAD") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, sum(len(FILES[name]) for name in WANTED)))
    fetch()


def test_a_snapshot_in_the_clients_cache_is_used(fetch, hub, tmp_path):
    from huggingface_hub import snapshot_download

    snapshot_download("lab/model", revision=COMMIT, endpoint=hub.url)
    hub.requests.clear()
    fetch()
    assert [path for _, path, _ in hub.requests] == [f"/api/models/lab/model/tree/{COMMIT}"]
    shutil.rmtree(tmp_path / "got")
    hub.fault("/tree/", times=99, status=500)
    refused(fetch, "500")


def test_without_a_network_the_cache_serves_alone_and_is_still_checked(hub, tmp_path):
    from huggingface_hub import snapshot_download

    snapshot_download("lab/model", revision=COMMIT, endpoint=hub.url)
    with serving() as gone:
        closed = gone.url
    repository = Repository("lab/model", COMMIT, endpoint=closed)
    fetch_files(repository, lambda names: WANTED, tmp_path / "got")
    assert (tmp_path / "got" / "weights.safetensors").read_bytes() == LARGE
    shutil.rmtree(tmp_path / "got")
    damaged = next(path for path in (tmp_path / "cache").rglob("blobs/*") if path.stat().st_size == len(LARGE))
    damaged.write_bytes(LARGE[::-1])
    with pytest.raises(FetchError) as raised:
        fetch_files(repository, lambda names: WANTED, tmp_path / "got")
    assert closed in message_of(raised)


def test_gits_blob_id(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_blob(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize(("asked", "left"), [(None, "0"), ("1", "1"), ("0", "0")])
def test_only_a_persons_own_offline_mode_stays(monkeypatch, asked, left):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE_ASKED", raising=False)
    if asked is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE_ASKED", asked)
    online()
    assert os.environ["HF_HUB_OFFLINE"] == left


FETCH = """
import sys
from pathlib import Path
from unlearning_robustness.data.hub import Repository, fetch_files, online
online()
hub = {"repository": "lab/model", "revision": sys.argv[1], "token_required": False}
fetch_files(Repository.of(hub, "model"), lambda names: ["weights.safetensors"], Path(sys.argv[2]))
"""


@pytest.mark.parametrize("disabled", [None, "0"])
def test_a_mirror_gives_the_content_too(hub, tmp_path, disabled):
    """Xet would ask another host for it; the client reads once, when it is imported, whether it may."""
    hub.xet = True
    kept = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "HF_HOME": str(tmp_path / "home")}
    chosen = {"HF_HUB_DISABLE_XET": disabled} if disabled else {}
    environment = {"PATH": os.environ["PATH"], "HF_ENDPOINT": hub.url, **kept, **chosen}
    command = [sys.executable, "-c", FETCH, COMMIT, str(tmp_path / "got")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if disabled is None:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "got/weights.safetensors").read_bytes() == LARGE
        assert hub.asked("/storage/") and not hub.asked("/xet-token")
    else:  # whoever asks for it has it, and reads which host refused
        assert hub.asked("/xet-token") and not hub.asked("/storage/")
        assert f"{hub.storage} refuses (418)" in done.stderr


def test_asking_for_access_loads_no_client_before_it_is_online_and_no_torch():
    """Snakemake's own process asks, in which the workflow has set the offline mode that the client reads once."""
    code = "import sys, unlearning_robustness.workflow.licences; print({'torch', 'huggingface_hub'} & set(sys.modules))"
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, capture_output=True)
    assert done.stdout.decode().strip() == "set()", done.stderr.decode()
