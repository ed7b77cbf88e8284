"""The download rules in fresh Snakemake runs, against a hub on this machine."""

import json

import pandas
import pytest
import yaml
from hub_server import serving
from running import snakemake

from unlearning_robustness.models.loading import load_model, verify

COMMIT = "e" * 40
HUB = {"repository": "lab/tiny", "revision": COMMIT}


@pytest.fixture
def hub(make_model, tiny_tokenizer, tmp_path, monkeypatch):
    """A hub with a tiny model and a gated data set; no token, an empty cache."""
    make_model().save_pretrained(tmp_path / "saved")
    tiny_tokenizer.save_pretrained(tmp_path / "saved")
    table = pandas.DataFrame({"text": ["one", "two"]})
    table.to_parquet(tmp_path / "part.parquet")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with serving() as running:
        running.add("lab/tiny", COMMIT, {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()})
        data = {"train/part-0.parquet": (tmp_path / "part.parquet").read_bytes()}
        running.add("lab/texts", COMMIT, data, kind="datasets", granted=["granted"])
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def overlay(tmp_path):
    path = tmp_path / "overlay.yaml"
    source = {"hub": {**HUB, "repository": "lab/texts", "token_required": True}, "files": {"all": "train/*.parquet"}}
    words = {"license": "MIT", "note": "made by a test"}
    entries = {"models": {"tiny": {"hub": HUB, **words}}, "sources": {"texts": {"reader": "muse", **source, **words}}}
    path.write_text(yaml.safe_dump(entries))
    return path


def run(overlay, target, check=True):
    return snakemake("--cores", "1", "--configfile", overlay, "--", target, folder=overlay.parent, check=check)


def test_fetch_model_makes_a_verified_folder_of_a_hubs_model(hub, overlay, tmp_path):
    hub.fault("/storage/", cut=20_000)
    run(overlay, "resources/models/tiny")
    manifest = json.loads((tmp_path / "resources/models/tiny/manifest.json").read_text())
    assert verify(tmp_path / "resources/models/tiny") == manifest["digest"]
    assert manifest["hub"] == {**HUB, "token_required": False}
    assert load_model(tmp_path / "resources/models/tiny")[0].config.num_hidden_layers == 4
    assert not (tmp_path / "resources/scratch/tiny").exists()
    hub.requests.clear()
    assert "Nothing to be done" in run(overlay, "resources/models/tiny").stderr
    assert hub.requests == []


def test_a_gated_source_asks_for_a_token_in_one_line_and_comes_with_it(hub, overlay, tmp_path, monkeypatch):
    log = tmp_path / "results/logs/fetch_source/texts.log"
    assert run(overlay, "resources/sources/texts", check=False).returncode != 0
    errors = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "lab/texts is gated" in errors[0]
    assert f"{hub.url}/datasets/lab/texts" in errors[0]
    assert "Traceback" not in log.read_text()
    monkeypatch.setenv("HF_TOKEN", "granted")
    run(overlay, "resources/sources/texts")
    assert list(pandas.read_parquet(tmp_path / "resources/sources/texts/all.parquet")["text"]) == ["one", "two"]
    assert verify(tmp_path / "resources/sources/texts")
