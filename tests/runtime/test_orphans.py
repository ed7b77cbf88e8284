"""Jobs end with their scheduler, and the next scheduler waits for them and takes its lock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime import orphans
from unlearning_robustness.workflow import unlocking
from unlearning_robustness.workflow.unlocking import take_over

SOURCE = Path(__file__).parents[2] / "src"
JOB = """
import signal, sys, time
from unlearning_robustness.runtime.orphans import end_with_scheduler
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: open("asked", "w").close())
end_with_scheduler(0.5)
open("began", "w").close()
time.sleep(60)
"""
SCHEDULER = """
import subprocess, sys
from unlearning_robustness.runtime.orphans import name_scheduler
name_scheduler()
subprocess.run(["bash", "-c", "python=$0; $python job.py $1; exit 0", sys.executable, sys.argv[1]])
"""


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """Starts a scheduler, a shell below it and a job below that; returns when the job is at work."""
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(JOB)
    started = []

    def start(kind="plain"):
        command = [sys.executable, "-c", SCHEDULER, kind]
        started.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}))
        wait_for(lambda: Path("began").exists())
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(happened, seconds=20.0):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def free(path):
    return unlocking._free(path, 0)


@pytest.mark.parametrize("kind", ["plain", "deaf"])
def test_a_job_ends_soon_after_its_scheduler_was_killed(scheduler, kind):
    running = scheduler(kind)
    assert not free(orphans.JOBS)
    running.send_signal(signal.SIGKILL)
    wait_for(lambda: free(orphans.JOBS))
    assert Path("asked").exists() == (kind == "deaf")


def test_a_job_whose_scheduler_is_gone_already_ends_at_once(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    gone = orphans._identity(os.getpid()).replace(str(os.getpid()), "1", 1)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), orphans.SCHEDULER: gone}
    ended = subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=environment, timeout=20)
    assert ended.returncode == -signal.SIGTERM and not (tmp_path / "began").exists()


@pytest.mark.parametrize("named", [None, "itself", "1 1 pid:[1]"])
def test_without_a_scheduler_of_its_own_machine_nothing_is_watched(monkeypatch, tmp_path, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(orphans.SCHEDULER, raising=False)
    if named:
        monkeypatch.setenv(orphans.SCHEDULER, orphans._identity(os.getpid()) if named == "itself" else named)
    orphans.end_with_scheduler()
    assert not orphans.JOBS.exists()


@pytest.fixture
def stale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(orphans, "_held", [])
    unlocking.LOCKS.mkdir(parents=True)
    (unlocking.LOCKS / "0.output.lock").write_text("x")
    return unlocking.LOCKS / "0.output.lock"


def test_the_lock_of_a_scheduler_that_has_ended_is_removed(stale):
    take_over(["bin/snakemake", "--cores", "1"])
    assert not stale.exists() and not free(unlocking.SCHEDULERS)


@pytest.mark.parametrize("length", [5, 400])
def test_unfinished_outputs_of_a_scheduler_that_has_ended_are_removed(stale, monkeypatch, length):
    stale.unlink()
    output, other = Path("results") / "/".join(["x" * 5] * (length // 5)) / "a.json", Path("results/b.json")
    unlocking.INCOMPLETE.mkdir()
    snakemakes = FilePersistence.__new__(FilePersistence)
    snakemakes._max_len = None
    marker = Path(snakemakes._record_path(str(unlocking.INCOMPLETE), str(output)))
    for path in (output, other, marker):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (unlocking.INCOMPLETE / "no marker").write_text("x")
    for looking in ("--report", "--report=results/report.zip", "--ignore-incomplete", "--unlock"):
        with monkeypatch.context() as patch:
            patch.setattr(unlocking, "hold", lambda path: None)
            take_over(["snakemake", looking])
        assert output.exists(), looking
    take_over(["snakemake"])
    assert not output.exists() and other.exists()
    # While this scheduler runs, another leaves what is begun alone.
    output.write_text("x")
    take_over(["snakemake"])
    assert output.exists()


def test_the_lock_of_a_scheduler_that_runs_stays(stale):
    take_over(["snakemake"])
    stale.write_text("x")
    take_over(["snakemake"])
    assert stale.exists()


def test_the_next_scheduler_waits_for_orphans(stale, scheduler, capsys):
    running = scheduler("deaf")
    running.send_signal(signal.SIGKILL)
    take_over(["snakemake"], patience=20)
    assert not stale.exists() and Path("asked").exists()
    assert capsys.readouterr().out == "waiting for jobs of the interrupted run to end\n"


def test_orphans_that_do_not_end_keep_the_lock(stale, scheduler):
    scheduler()
    take_over(["snakemake"], patience=0)
    assert stale.exists()


@pytest.mark.parametrize("arguments", [["snakemake", "-n"], ["snakemake", "--dry-run"], ["pytest"]])
def test_what_runs_no_jobs_takes_no_lock(stale, arguments):
    take_over(arguments)
    assert stale.exists() and not unlocking.SCHEDULERS.exists()


def test_a_folder_that_takes_no_files_is_named_in_one_line(stale, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unlocking, "hold", full)
    with pytest.raises(ConfigError, match=r"cannot write to .*\.snakemake \(No space left on device\): free space"):
        take_over(["snakemake"])
