"""The cluster's way for real: a SLURM of one node and two made-up GPUs, and profiles/slurm as it is."""

import json
import os
import re
import subprocess
import time

import pytest
import slurm_cluster
import tiny_study
from running import ROOT, snakemake, snakemake_command

# This SLURM keeps no accounts, and a test is in a hurry.
PROFILE = ["--workflow-profile", ROOT / "profiles" / "slurm", "--slurm-status-command", "squeue"]
PROFILE += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
FAILS_ONCE = """
include: "{root}/rules/common.smk"
rule fails_once:
    output: "done"
    resources: gpu=1, mem_mb=growing(300), runtime=growing(7)
    shell: "echo >> attempts; test $(wc -l < attempts) -gt 1 && touch {{output}}"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm") / "state"
    try:
        slurm_cluster.start(folder)
        yield
    except slurm_cluster.NoClusterError as reason:
        pytest.skip(str(reason))
    finally:
        slurm_cluster.stop(folder)


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory, make_model, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("study")
    overlay = tiny_study.write_study(folder, make_model(), tiny_tokenizer)
    snakemake("--configfile", overlay, *PROFILE, folder=folder)
    return folder


def jobs_of(name: str) -> list[dict]:
    """What SLURM says of a rule's jobs, in order of submission."""
    found = slurm_cluster.jobs()
    return [found[key] for key in sorted(found, key=int) if found[key]["Comment"].startswith(f"rule_{name}_wildcards")]


@pytest.mark.slow
def test_a_study_runs_from_the_login_node_to_its_figures(study):
    assert (study / tiny_study.RESULTS / "figures" / tiny_study.PLACE / "accuracy.svg").is_file()
    for rule, count in {"unlearn": 2, "evaluate": 3, "attack": 2, "cache_activations": 1}.items():
        jobs = jobs_of(rule)
        assert len(jobs) == count, rule
        assert {(job["Partition"], job["TresPerJob"], job["JobState"]) for job in jobs} == {
            ("gpu", "gres:gpu:1", "COMPLETED")
        }
    assert [job["Partition"] for job in jobs_of("build_probes")] == ["cpu"]
    assert not jobs_of("tables_accuracy") and not jobs_of("figure")


@pytest.mark.slow
def test_jobs_that_run_at_the_same_time_see_different_gpus(study):
    seen = []
    places = {"unlearn": "cells/{}/rmu/none/seed{}", "evaluate": "records/{}/rmu/none/seed{}/none"}
    for rule, place in places.items():
        for seed in (0, 1):
            path = study / tiny_study.RESULTS / place.format(tiny_study.PLACE, seed) / "manifest.json"
            (job,) = [job for job in jobs_of(rule) if job["Comment"].endswith(f"rmu_none_{seed}")]
            seen.append((job["StartTime"], job["EndTime"], json.loads(path.read_text())["visible_devices"]))
    # Both devices are used where jobs overlap alone: one that has the node for itself is given the first.
    assert {device for *_, device in seen} == {"0", "1"}
    together = [(a, b) for n, a in enumerate(seen) for b in seen[:n] if max(a[0], b[0]) < min(a[1], b[1])]
    assert all(a[2] != b[2] for a, b in together)


def test_a_job_that_fails_once_is_submitted_again_with_more_memory_and_time(cluster, tmp_path):
    for name in ("src", "schemas"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Snakefile").write_text(FAILS_ONCE.format(root=ROOT))
    options = ["--configfile", ROOT / "config.yaml", *PROFILE, "--", "fails_once"]
    snakemake(*options, folder=tmp_path, snakefile=tmp_path / "Snakefile")
    jobs = [job for job in slurm_cluster.jobs().values() if job["Comment"].startswith("rule_fails_once")]
    asked = [(job["JobState"], job["MinMemoryNode"], job["TimeLimit"]) for job in jobs]
    assert asked == [("FAILED", "300M", "00:07:00"), ("COMPLETED", "600M", "00:14:00")]


@pytest.mark.slow
def test_a_cancelled_training_goes_on_where_it_was(study):
    overlay = tiny_study.write_overlay(study, "long", methods={"rmu": {"steps": 600}})
    place = f"{tiny_study.PLACE}/rmu/none/seed0"
    log = study / tiny_study.RESULTS / "logs" / "unlearn" / f"{place}.log"
    before, log_before = len(jobs_of("unlearn")), log.stat().st_mtime
    options = ["--configfile", study / "tiny.yaml", overlay, *PROFILE]
    command = snakemake_command(
        *options, "--", tiny_study.RESULTS / "cells" / place / "delta.safetensors", folder=study
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        deadline = time.monotonic() + 120
        while not (log.is_file() and log.stat().st_mtime > log_before and "step: " in log.read_text()):
            assert time.monotonic() < deadline and running.poll() is None, "no step was made"
            time.sleep(0.1)
        slurm_cluster.cancel(jobs_of("unlearn")[-1]["JobId"])
        said = running.communicate(timeout=240)[0]
    assert running.returncode == 0, said[-4000:]
    first, second = jobs_of("unlearn")[before:]
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("4000M", "8000M")
    assert int(re.search(r"resumed at step (\d+)", log.read_text())[1]) > 0
    history = (study / tiny_study.RESULTS / "cells" / place / "history.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in history[1:]] == [str(step) for step in range(1, 601)]


def test_what_a_killed_test_left_is_taken_over_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_cluster, "SETTINGS", tmp_path)
    settings = tmp_path / "slurm.conf"
    left = slurm_cluster.MARK.format(process=2**22 + 1, folder=tmp_path / "gone")
    settings.write_text(f"{left}ClusterName=test\n")
    slurm_cluster._take_over()
    assert not settings.exists()
    running = slurm_cluster.MARK.format(process=os.getpid(), folder=tmp_path / "here")
    for text, reason in ((running, "another test is running"), ("", "belongs to a cluster")):
        settings.write_text(f"{text}ClusterName=test\n")
        with pytest.raises(slurm_cluster.NoClusterError, match=reason):
            slurm_cluster._take_over()
        slurm_cluster.stop(tmp_path / "another")
        assert settings.exists()
