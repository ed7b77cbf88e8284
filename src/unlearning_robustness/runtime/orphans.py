"""A job ends with the scheduler that started it: a resumed study must not run a cell beside an orphan of the same cell.

A scheduler that is killed cannot end its jobs. So each job watches the processes between it and the scheduler: when one
of them ends, the job gets SIGTERM, after which training keeps its state, and in the end SIGKILL. Until it has ended it
holds a lock, for which the next scheduler waits (``workflow.unlocking``).
"""

import fcntl
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

# Names the Snakemake process that starts jobs: set by the Snakefile, on a cluster by the one on the job's own node.
SCHEDULER = "UNLEARNING_ROBUSTNESS_SCHEDULER"
# Locked by every job that runs, in the folder where Snakemake runs.
JOBS = Path(".snakemake") / "jobs.alive"
# Seconds in which a job can end a training step and keep its state.
GRACE = 20.0
LINUX = sys.platform == "linux"

_held: list[int] = []


def hold(path: Path) -> None:
    """Share a lock on a file until this process ends, however it ends."""
    path.parent.mkdir(exist_ok=True)
    _held.append(os.open(path, os.O_RDWR | os.O_CREAT))
    fcntl.flock(_held[-1], fcntl.LOCK_SH)


def name_scheduler() -> None:
    """Let the jobs that this process starts know that it is their scheduler."""
    if LINUX:
        os.environ[SCHEDULER] = _identity(os.getpid())


def end_with_scheduler(grace: float = GRACE) -> None:
    """End this process when the scheduler above it, or a process between them, ends."""
    scheduler = os.environ.get(SCHEDULER)
    if not LINUX or not scheduler or scheduler == _identity(os.getpid()) or _namespace() not in scheduler:
        return
    hold(JOBS)
    try:
        handles = [os.pidfd_open(process) for process in _ancestors(scheduler)]
    except (ProcessLookupError, FileNotFoundError):
        _end(grace)
    else:
        threading.Thread(target=_watch, args=(handles, grace), daemon=True).start()


def _ancestors(scheduler: str) -> list[int]:
    """The processes above this one, up to the scheduler; raises ProcessLookupError where it has ended."""
    above = [os.getppid()]
    while _identity(above[-1]) != scheduler:
        above.append(int(_stat(above[-1])[1]))
        if above[-1] <= 1:
            raise ProcessLookupError
    return above


def _identity(process: int) -> str:
    """A process's number, which is given again some day, its start in ticks, and the namespace of such numbers."""
    return f"{process} {_stat(process)[19]} {_namespace()}"


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold anything."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _watch(handles: list[int], grace: float) -> None:
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    poll.poll()
    _end(grace)


def _end(grace: float) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.kill(os.getpid(), signal.SIGKILL)
