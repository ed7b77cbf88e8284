"""A throw-away SLURM of one node with two made-up GPUs, from Debian's slurm-wlm and munge; needs root."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol")
SETTINGS = Path("/etc/slurm")
# The job step keeps no SLURM_CONF, so the settings must lie where SLURM looks by itself.
MARK = "# A test's throw-away cluster of process {process} in {folder}\n"
CLUSTER = """
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1,sched_min_interval=0
ReturnToService=2
MpiDefault=none
MinJobAge=600
KillWait=20
InactiveLimit=0
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=localhost CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=64000 \
Gres=gpu:a100:2 State=UNKNOWN
PartitionName=cpu Nodes=localhost Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=localhost Default=NO MaxTime=INFINITE State=UP
"""
GPUS = "NodeName=localhost Name=gpu Type=a100 File=/dev/null\nNodeName=localhost Name=gpu Type=a100 File=/dev/zero\n"


class NoClusterError(Exception):
    """SLURM cannot be started here; the message says why."""


def start(folder: Path) -> None:
    """Bring the cluster up with its state in ``folder``. Raises NoClusterError."""
    os.environ["PATH"] += ":/usr/sbin"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise NoClusterError(f"SLURM is not installed ({missing[0]} is missing): apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        raise NoClusterError("only root can start a throw-away SLURM")
    _take_over()
    (folder / "spool").mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    SETTINGS.mkdir(exist_ok=True)
    Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
    mark = MARK.format(process=os.getpid(), folder=folder)
    (SETTINGS / "slurm.conf").write_text(mark + CLUSTER.format(folder=folder))
    (SETTINGS / "gres.conf").write_text(GPUS)
    munge = ["--force", f"--key-file={folder}/munge.key", f"--pid-file={folder}/munged.pid"]
    _run("munged", *munge, f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed")
    _run("slurmctld", "-c")
    _run("slurmd", "-N", "localhost")
    deadline = time.monotonic() + 30
    while "idle" not in _run("sinfo", "--noheader", "--format=%t", check=False):
        if time.monotonic() > deadline:
            logs = [line for log in folder.glob("slurm*.log") for line in log.read_text().splitlines()[-3:]]
            raise NoClusterError(f"SLURM did not come up: {logs}")
        time.sleep(0.5)


def _take_over() -> None:
    """Remove what a test left that was killed. Raises NoClusterError where the settings are not such a test's."""
    settings = SETTINGS / "slurm.conf"
    if not settings.exists():
        return
    found = re.match(MARK.format(process=r"(\d+)", folder="(.+)"), settings.read_text())
    if found is None:
        raise NoClusterError(f"{settings} exists: this machine belongs to a cluster")
    process, folder = found.groups()
    if Path("/proc", process).exists():
        raise NoClusterError(f"{settings} exists: another test is running, process {process}")
    stop(Path(folder))


def stop(folder: Path) -> None:
    """Cancel what runs, end the three daemons and remove the settings."""
    if (folder / "slurmctld.pid").is_file():
        _run("scancel", "--user=root", check=False)
        time.sleep(1)
    for name in ("slurmd", "slurmctld", "munged"):
        # Numbers of processes come again: only the daemon of that name is ended.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            process = int((folder / f"{name}.pid").read_text())
            if Path(f"/proc/{process}/comm").read_text().strip() == name:
                os.kill(process, signal.SIGTERM)
    settings = SETTINGS / "slurm.conf"
    if settings.is_file() and f" in {folder}\n" in settings.read_text():
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)


def jobs() -> dict[str, dict[str, str]]:
    """Everything that SLURM says of every job since the start, by id; `Comment` is the rule and its wildcards."""
    found = {}
    for block in _run("scontrol", "--details", "show", "job").split("\n\n"):
        facts = dict(word.split("=", 1) for word in block.split() if "=" in word)
        if "JobId" in facts:
            found[facts["JobId"]] = facts
    return found


def cancel(job: str) -> None:
    """Cancel a job as a person would."""
    _run("scancel", job)


def _run(*command: str, check: bool = True) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and result.returncode:
        raise NoClusterError(f"{' '.join(command)}: {result.stderr.strip()[-300:]}")
    return result.stdout
