"""A job that becomes several processes: ``torchrun`` starts the job's script once for each. Needs no torch."""

import os
import sys
from typing import TextIO


def started() -> bool:
    """Whether ``torchrun`` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Which of the processes this one is, from 0."""
    return int(os.environ["RANK"]) if started() else 0


def is_main() -> bool:
    """Whether this process writes what all have made: one does."""
    return rank() == 0


def exit_now(code: int) -> None:
    """End this process at once, with what it wrote.

    Threads of torch's process groups may live on after they were destroyed; an interpreter that winds up kills them
    where they stand, and with them, now and then, a process whose work was done.
    """
    sys.stdout.flush()
    os._exit(code)


def launch(processes: int, log: TextIO) -> None:
    """Become ``torchrun``, which starts this very script ``processes`` times and writes to ``log``; never returns.

    When one of them fails it ends the others and fails too. Locks that are held, and signals, pass to it.
    """
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    os.execv(sys.executable, [*torchrun, sys.argv[0]])
