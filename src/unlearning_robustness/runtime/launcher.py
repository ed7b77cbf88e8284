"""A job that becomes several processes: accelerate's launcher starts the job's script once for each.

Rank and count are read from the environment here, as jobs without torch ask for them and accelerate imports it.
"""

import os
import sys
from pathlib import Path
from typing import TextIO

# A file of its own: without one the launcher follows what a user's home folder says.
SETTINGS = Path(__file__).with_name("accelerate.yaml")


def started() -> bool:
    """Whether the launcher started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ["RANK"]) if started() else 0


def is_main() -> bool:
    """Whether this process is the one that writes files."""
    return rank() == 0


def exit_now(code: int) -> None:
    """End this process at once, after flushing what it wrote.

    Threads of torch's process groups may outlive the groups; an interpreter that shuts down kills these threads
    wherever they are, and now and then fails a process whose work was done.
    """
    sys.stdout.flush()
    os._exit(code)


def command(processes: int, script: str | Path) -> list[str]:
    """The command that runs ``script`` as several processes, and fails when one of them does."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(SETTINGS)]
    return [*launcher, "--num_processes", str(processes), str(script)]


def launch(processes: int, log: TextIO) -> None:
    """Become the launcher, which starts this very script ``processes`` times and writes to ``log``; never returns.

    When one of them fails it ends the others and fails too. Locks that are held, and signals, pass to it.
    """
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)
    os.execv(sys.executable, command(processes, sys.argv[0]))
