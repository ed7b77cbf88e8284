"""The download rules, and a study of what they download, in fresh Snakemake runs against a hub on this machine."""

import json

import pandas
import pytest
import yaml
from hub_server import COMMIT
from running import snakemake
from safetensors.torch import load, save

from studies import load_study
from unlearning_robustness.models.loading import load_model, verify

HUB = {"repository": "lab/tiny", "revision": COMMIT}


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


def test_a_model_that_is_not_what_its_config_says_ends_in_one_line_and_leaves_nothing(hub, overlay, tmp_path):
    """Saved from a compiled module: loading it as it stands would give random weights."""
    files = hub.files["models/lab/tiny", COMMIT]
    compiled = {f"_orig_mod.{name}": tensor for name, tensor in load(files["model.safetensors"]).items()}
    hub.add("lab/tiny", COMMIT, files | {"model.safetensors": save(compiled)})
    result = run(overlay, "resources/models/tiny", check=False)
    printed = result.stdout + result.stderr
    errors = {line.partition("error: ")[2] for line in printed.splitlines() if "error: " in line}
    assert result.returncode != 0 and len(errors) == 1 and "Traceback" not in printed, printed[-2000:]
    assert "no tensor _orig_mod.lm_head.weight: saved from a model of torch.compile" in errors.pop()
    assert not (tmp_path / "resources/models/tiny").exists()


def test_a_gated_source_asks_for_a_token_in_one_line_and_comes_with_it(hub, overlay, tmp_path, monkeypatch):
    result = run(overlay, "resources/sources/texts", check=False)
    printed = result.stdout + result.stderr
    errors = [line for line in printed.splitlines() if "error: " in line]
    assert result.returncode != 0 and len(errors) == 1, printed[-2000:]
    assert "lab/texts is gated" in errors[0]
    assert f"{hub.url}/datasets/lab/texts" in errors[0]
    assert "Traceback" not in printed
    monkeypatch.setenv("HF_TOKEN", "granted")
    run(overlay, "resources/sources/texts")
    assert list(pandas.read_parquet(tmp_path / "resources/sources/texts/all.parquet")["text"]) == ["one", "two"]
    assert verify(tmp_path / "resources/sources/texts")


@pytest.mark.parametrize(
    ("token", "said"),
    [(None, "is gated: accept its terms on"), ("other", "access is not granted (403, ")],
)
def test_a_study_stops_before_any_job_where_a_licence_was_not_accepted(hub, tmp_path, monkeypatch, token, said):
    """Nothing is loaded: not the open model either, which another job of the study would fetch first."""
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"x" * 2000}
    hub.add("lab/open", COMMIT, files)
    hub.add("lab/closed", COMMIT, files, granted=["granted"])
    words = {"license": "made up", "note": "made by a test"}
    closed = {"repository": "lab/closed", "revision": COMMIT, "token_required": True}
    models = {
        "open": {"hub": {**HUB, "repository": "lab/open"}, **words},
        "closed": {"hub": closed, **words},
    }
    path = tmp_path / "overlay.yaml"
    path.write_text(yaml.safe_dump({"models": models, "study": {"models": ["open", "closed"], "results": "results"}}))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    result = snakemake("--cores", "1", "--configfile", path, folder=tmp_path, check=False)
    printed = result.stdout + result.stderr
    lines = [line for line in printed.splitlines() if "error: " in line]
    assert result.returncode != 0 and len(lines) == 1, printed[-2000:]
    assert said in lines[0] and f"{hub.url}/lab/closed" in lines[0]
    assert "Traceback" not in printed and not (tmp_path / "resources").exists()
    assert not [path for _, path, _ in hub.requests if "model.safetensors" in path or path.startswith("/storage/")]


@pytest.fixture
def published(hub, overlay, tmp_path):
    """The WMDP study on the tiny model and a hub with made-up questions and texts in the published columns."""
    config = load_study("wmdp-smoke")
    # What it builds on is in it already; the published numbers are of another model.
    del config["builds_on"], config["expected"]

    def questions(count, **columns):
        rows = [{"question": f"Question {n}?", "choices": list("wxyz"), "answer": n % 4} for n in range(count)]
        return pandas.DataFrame(rows).assign(**columns)

    forget = [f"virus toxin spore{n % 3} agent {n} is described here at some length" for n in range(40)]
    retain = [
        line
        for n in range(40)
        for line in (f" = Article {n} = \n", f" Rivers and castles{n % 3} of land {n} are told \n")
    ]
    subjects = [("virology", "high_school_geography")[n % 2] for n in range(40)]
    tables = {
        "wmdp": {"wmdp-bio/test-0.parquet": questions(12), "wmdp-cyber/test-0.parquet": questions(12)},
        "wmdp-bio-texts": {"data/train-0.parquet": pandas.DataFrame({"text": forget})},
        "wmdp-cyber-texts": {"cyber-forget-corpus/train-0.parquet": pandas.DataFrame({"text": forget[:20]})},
        "mmlu": {"all/test-0.parquet": questions(40, subject=subjects)},
        "wikitext": {"wikitext-2-raw-v1/test-0.parquet": pandas.DataFrame({"text": retain})},
    }
    for source, files in tables.items():
        entry = config["sources"][source]["hub"]
        entry["revision"] = COMMIT
        gated = ["granted"] if entry.get("token_required") else None
        content = {name: table.to_parquet() for name, table in files.items()}
        hub.add(entry["repository"], COMMIT, content, kind="datasets", granted=gated)
    config["sources"]["wmdp"]["files"].pop("chem")
    return config


@pytest.mark.slow
def test_wmdp_is_unlearned_and_measured_from_the_hub_to_the_records(published, overlay, tmp_path, monkeypatch):
    config, tiny = published, yaml.safe_load(overlay.read_text())["models"]
    config["models"] = tiny
    config["study"] |= {"models": ["tiny"], "results": "results"}
    wmdp = config["benchmarks"]["wmdp"]
    wmdp["corpora"] |= {
        "minimum_characters": 20, "forget_prose_documents": 20, "retain_documents": 20, "held_out_every": 4,
        "perplexity_documents": 4, "perplexity_tokens": 32, "characteristic_ngrams": 4,
    }  # fmt: skip
    wmdp["neighbour_minimum"] = 0
    wmdp["neighbour"]["subjects"] = wmdp["retain"]["without_subjects"] = ["virology"]
    config["methods"]["rmu"] |= {"layers": [1], "read_layer": 1, "steps": 3, "tokens": 24}
    config["attacks"]["relearn"]["parameters"] |= {"documents": [10]}
    overlay.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("HF_TOKEN", "granted")
    target = "results/records/tiny/wmdp/rmu/none/seed0/none/records.parquet"
    snakemake("--cores", "1", "--configfile", overlay, "--", target, folder=tmp_path)
    records = pandas.read_parquet(tmp_path / target)
    assert set(records["role"]) == {"forget", "retain", "neighbour"}
    assert set(records["probe"]) == set(config["study"]["probes"])
    assert records["log_likelihoods"].map(len).unique().tolist() == [4]
    report = json.loads((tmp_path / "results/records/tiny/wmdp/benchmark.json").read_text())
    assert report["forget"]["facts_asked"] == 24
