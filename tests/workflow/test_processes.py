"""The unlearn script as a job of two processes: same cells, one log, one writer, and failures that are failures."""

import json
import subprocess
import time

import psutil
import pytest
import torch
import yaml
from running import ROOT, snakemake_command
from safetensors.torch import load_file

from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.engine.activation_cache import save_caches
from unlearning_robustness.runtime.artefacts import seal

CELL = "cells/tiny/elements/rmu/none/seed{}"
RULE = """
CELL = "cells/{{model}}/{{benchmark}}/{{method}}/{{defence}}/seed{{seed}}"
SEEDS = [0, 1]


def each(name):
    return expand(f"{{CELL}}/{{name}}", seed=SEEDS, allow_missing=True)


rule unlearn:
    input:
        model="model",
        cache="cache.safetensors",
        matched=[],
        questions=[],
    output:
        delta=each("delta.safetensors"),
        history=each("history.csv"),
        manifest=each("manifest.json"),
    log:
        "{{model}}-{{benchmark}}-{{method}}-{{defence}}.log",
    threads: 2
    params:
        model={{"device": "cpu", "dtype": "float32", "placement": "one-device"}},
        method=config["method"],
        row=[],
        scoring={{"batch_size": 4}},
        seeds=SEEDS,
        scratch="scratch",
    script:
        "{script}"
"""


@pytest.fixture
def start(tmp_path, tiny_model, tiny_caches, tiny_tokenizer, settings):
    tiny_model.save_pretrained(tmp_path / "model")
    tiny_tokenizer.save_pretrained(tmp_path / "model")
    write_manifest(tmp_path / "model", {"note": "tiny"})
    save_caches(tmp_path / "cache.safetensors", tiny_caches)
    seal(tmp_path / "cache.safetensors", "cache.safetensors")
    (tmp_path / "Snakefile").write_text(RULE.format(script=ROOT / "workflow_scripts" / "unlearn.py"))

    def begin(processes=2, **changes):
        entry = settings("rmu", **changes) | {"parallel": {"processes": processes, "sharded": False}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"method": entry}))
        command = [
            "--cores",
            "2",
            "--configfile",
            tmp_path / "config.yaml",
            "--",
            f"{CELL.format(0)}/delta.safetensors",
        ]
        command = snakemake_command(*command, folder=tmp_path, snakefile=tmp_path / "Snakefile")
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return begin


def log_of(folder):
    path = folder / "tiny-elements-rmu-none.log"
    return path.read_text() if path.is_file() else ""


def test_a_job_of_two_processes_makes_the_cells_of_one(start, tmp_path):
    cells = {}
    for processes in (2, 1):
        assert start(processes).wait(300) == 0, log_of(tmp_path)
        log = log_of(tmp_path)
        assert log.count("2 processes train together") == processes - 1 and log.count("seed 1") == 1
        for seed in (0, 1):
            cells[processes, seed] = load_file(tmp_path / CELL.format(seed) / "delta.safetensors")
            manifest = json.loads((tmp_path / CELL.format(seed) / "manifest.json").read_text())
            assert manifest["processes"] == processes and manifest["wildcards"]["seed"] == str(seed)
            assert manifest["settings"]["method"]["precision"] == "master"
    base = load_file(tmp_path / "model" / "model.safetensors")
    for seed in (0, 1):
        for name, tensor in cells[1, seed].items():
            change = (tensor - base[name]).norm()
            assert change > 0 and (cells[2, seed][name] - tensor).norm() < 1e-3 * change


def test_a_run_that_diverges_fails_the_job_with_one_line_and_leaves_no_output(start, tmp_path):
    job = start(parameters={"coefficient": float("inf"), "steering": "uniform"})
    assert job.wait(300) != 0
    log = log_of(tmp_path)
    assert (
        "error: not finite at" in log and "Traceback (most recent call last)" not in log.split("error: not finite")[0]
    )
    assert not list(tmp_path.glob("cells/**/*.safetensors"))


@pytest.mark.slow
def test_processes_that_must_stop_keep_one_state_and_continue(start, tmp_path):
    job, deadline = start(steps=4000), time.monotonic() + 300
    while "step: " not in log_of(tmp_path):
        assert time.monotonic() < deadline and job.poll() is None, log_of(tmp_path)
        time.sleep(0.2)
    found = [
        each
        for each in psutil.Process(job.pid).children(recursive=True)
        if "accelerate.commands.launch" in each.cmdline()
    ]
    found[0].terminate()
    assert job.wait(300) != 0
    assert "as requested; the state is kept" in log_of(tmp_path)
    (state,) = (tmp_path / "scratch").glob("seed*/training.safetensors")
    assert torch.isfinite(load_file(state)["master.0"]).all()
    job = start(steps=4000)
    while "resumed at step" not in log_of(tmp_path):
        assert time.monotonic() < deadline and job.poll() is None, log_of(tmp_path)
        time.sleep(0.2)
    for each in psutil.Process(job.pid).children(recursive=True):
        if "accelerate.commands.launch" in each.cmdline():
            each.terminate()
    job.wait(300)
