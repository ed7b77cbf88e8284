"""`make audit`: the study that it writes, and what it refuses."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from studies import ROOT
from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.workflow import audited_models
from unlearning_robustness.workflow.audit import Request, audit_study, main
from unlearning_robustness.workflow.study import merged

KNOWN = "smollm2-135m-instruct"
COMMIT = "d" * 40
TWO = "give two, of what is to be forgotten and of what is to be kept, as QUESTIONS and as TEXTS"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes a folder of a model of some depth, of which only the config is there."""
    monkeypatch.chdir(tmp_path)

    def make(name, depth=30, **files):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps({"num_hidden_layers": depth}))
        for file in files.values():
            (tmp_path / name / file).write_text("{}")
        return str(tmp_path / name)

    return make


def resolved(request):
    stated = audit_study(request)
    files = [ROOT / "config.yaml", *(ROOT / "studies" / f"{name}.yaml" for name in stated["builds_on"])]
    return resolve(merged(files, stated))


def test_an_audit_asks_every_model_and_the_reference_under_every_attack(folder):
    models = [folder("one/Unlearned_1"), folder("rmu"), folder("two/rmu")]
    config = resolved(Request(models, KNOWN, never=folder("clean")))
    (grid,) = config["study"]["cells"]
    assert grid["methods"] == ["reference", "unlearned-1", "rmu-2", "rmu-3", "never-knew"]
    assert set(grid["attacks"]) > {"none", "relearn", "gcg", "quantise"}
    assert config["study"]["models"] == [KNOWN] and config["study"]["results"] == "results/audit-unlearned-1"
    assert config["methods"]["rmu-3"] == {"label": "rmu-3", "checkpoint": "rmu-3"}
    assert config["models"]["rmu-3"]["path"] == models[2]
    assert config["analysis"]["yardstick"] == "never-knew" and "unlearned" not in config["models"]


def test_a_model_of_the_configuration_may_be_any_of_them(folder):
    config = resolved(Request([KNOWN], folder("before"), name="mine"))
    assert config["methods"][f"{KNOWN}-2"]["checkpoint"] == KNOWN and config["study"]["models"] == ["before"]
    assert config["study"]["results"] == "results/audit-mine"


def test_layers_of_attacks_lie_at_the_same_share_of_another_depth(folder):
    config = resolved(Request([folder("after", 16)], folder("before", 16)))
    default = resolved(Request([folder("deep")], KNOWN))
    layers = default["attacks"]["logit-lens"]["parameters"]["layers"]
    expected = sorted({round(layer * 15 / 29) for layer in layers})
    assert config["attacks"]["logit-lens"]["parameters"]["layers"] == expected != layers


def test_a_model_of_another_shape_is_loaded_whole_and_meets_no_attack_that_compares_layers(folder):
    config = resolved(Request([folder("pruned", 28), folder("alike")], KNOWN))
    assert [name for name, entry in config["methods"].items() if entry.get("whole")] == ["pruned"]
    alike, pruned = config["study"]["cells"]
    assert (alike["methods"], pruned["methods"]) == (["reference", "alike"], ["pruned"])
    assert set(alike["attacks"]) - set(pruned["attacks"]) == {"orthogonalise"}


def test_an_adapter_belongs_to_the_reference(folder):
    config = resolved(Request([folder("lora", config="adapter_config.json")], KNOWN))
    assert config["models"]["lora"]["base"] == KNOWN


def test_a_branch_of_the_hub_is_pinned_to_its_commit(folder, monkeypatch):
    asked = []

    def model_info(name, revision):
        asked.append((name, revision))
        return SimpleNamespace(sha=COMMIT)

    monkeypatch.setattr("huggingface_hub.HfApi", lambda endpoint: SimpleNamespace(model_info=model_info))
    monkeypatch.setattr(audited_models, "list_files", lambda repository: {"config.json": None})
    config = resolved(Request(["lab/Model", "lab/other@v2", f"lab/third@{COMMIT}"], KNOWN))
    assert asked == [("lab/Model", "main"), ("lab/other", "v2")]
    assert [config["models"][id]["hub"]["revision"] for id in ("model", "other", "third")] == [COMMIT] * 3


def test_questions_and_texts_of_ones_own_are_asked_in_place_of_the_facts(folder, tmp_path):
    files = [tmp_path / name for name in ("asked.jsonl", "kept.csv", "forget.txt", "retain.txt")]
    for file in files:
        file.write_text("")
    config = resolved(Request([folder("after")], KNOWN, questions=files[:2], texts=files[2:]))
    assert config["study"]["benchmarks"] == ["own"]
    for source, file in zip(
        ("forget-questions", "retain-questions", "forget-texts", "retain-texts"), files, strict=True
    ):
        entry = config["sources"][source]
        assert (entry["path"], entry["files"]["all"]) == (str(tmp_path), file.name)
    # No text says which question it answers; the rates stay those of the model that the study knows.
    search, usual = (each["searches"]["relearning"] for each in (config, resolved(Request([folder("other")], KNOWN))))
    assert search["control"] == NONE != usual["control"] and search["grid"] == usual["grid"]


def test_an_unknown_reference_is_attacked_at_the_rates_of_small_and_of_large_models(folder):
    search = resolved(Request([folder("after")], folder("before")))["searches"]["relearning"]
    rates = [rate for grid in search["grid"] for rate in grid["learning_rate"]]
    assert min(rates) <= 1e-5 and max(rates) >= 1e-3 and search["trials"] == len(rates) and search["control"] != NONE


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ([], "error: say which: make audit MODEL=unlearned-model REFERENCE=model-before-unlearning"),
        (["--model", "after"], "error: say which: make audit MODEL=unlearned-model REFERENCE=model-before-unlearning"),
        (["--model", "nowhere", "--reference", KNOWN],
         f"error: 'nowhere' is no folder, no owner/name of the hub and no id of config.yaml ({KNOWN}); correct it"),
        (["--model", "after", "--reference", "lora"],
         "error: REFERENCE: lora is an adapter; give the whole model before unlearning"),
        (["--model", "after", "--reference", KNOWN, "--name", "A/B"],
         "error: NAME: 'A/B' is no name; use small letters, digits and '-'"),
        (["--model", "after", "--reference", KNOWN, "--questions", "a.jsonl"],
         "error: QUESTIONS: 1 file(s); " + TWO),
        (["--model", "after", "--reference", KNOWN, "--texts", "a.txt", "b.txt"],
         "error: QUESTIONS: 0 file(s); " + TWO),
        (["--model", "after", "--reference", KNOWN, "--questions", "a.jsonl", "b.jsonl"],
         "error: QUESTIONS: there is no file a.jsonl; correct it"),
    ],
)  # fmt: skip
def test_what_cannot_be_audited_is_one_line_and_exit_code_2(folder, capsys, given, line):
    folder("after")
    folder("lora", config="adapter_config.json")
    assert main(given) == 2
    said = capsys.readouterr()
    assert said.err.strip() == line and said.out == ""


def test_the_file_is_written_where_its_results_will_lie(folder, capsys):
    folder("after")
    assert main(["--model", "after", "--reference", KNOWN, "--name", "mine"]) == 0
    path = capsys.readouterr().out.strip()
    assert path == "results/audit-mine.yaml"
    assert yaml.safe_load(Path(path).read_text())["study"]["results"] == "results/audit-mine"


def test_make_passes_on_what_is_given():
    command = ["make", "--dry-run", "audit", "MODEL=one two", "REFERENCE=before", "NAME=x"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert " ".join(said.split()).count("--model one two --reference before --name x") == 1
