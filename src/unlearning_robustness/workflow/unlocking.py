"""A scheduler that was killed leaves Snakemake's lock and unfinished outputs behind; the next one removes both.

It does so when nobody is left. Snakemake itself would run an unfinished output again, but where all that reads it calls
it ``ancient`` and the file is there, it would run that job alone, and end as if the study were finished. Locks of the
kernel say who is left: they end with the process that holds them.
"""

import fcntl
import time
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from pathlib import Path

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime.orphans import GRACE, JOBS, hold

SCHEDULERS = JOBS.with_name("schedulers.alive")
DRY = {"--dry-run", "--dryrun", "-n"}
# With these nothing is run again: a person looks, or says what is to become of files.
LOOKING = {
    "--archive", "--cleanup-metadata", "--cm", "--containerize", "--d3dag", "--dag", "--delete-all-output",
    "--delete-temp-output", "--detailed-summary", "--filegraph", "--generate-unit-tests", "--ignore-incomplete", "--ii",
    "--lint", "--list-changes", "--list-conda-envs", "--list-rules", "--list-target-rules", "--list-untracked", "--lt",
    "--print-compilation", "--report", "--rulegraph", "--summary", "--touch", "--unlock", "-D", "-S", "-l", "-t",
}  # fmt: skip
LOCKS, INCOMPLETE = JOBS.with_name("locks"), JOBS.with_name("incomplete")


def take_over(arguments: Sequence[str], patience: float = GRACE + 10) -> None:
    """Remove lock and unfinished outputs of schedulers that have ended, once their jobs have; share the lock of those
    that run.

    While another scheduler runs, Snakemake itself decides whether both may. ``arguments`` are the command line: what
    only plans, or is not Snakemake, runs no jobs, and what only looks keeps unfinished outputs. Raises ConfigError
    where nothing can be written.
    """
    if "snakemake" not in arguments[0] or DRY & set(arguments):
        return
    try:
        JOBS.parent.mkdir(exist_ok=True)
        if _free(SCHEDULERS, 0):
            _remove_stale(patience, not LOOKING & {argument.partition("=")[0] for argument in arguments})
        hold(SCHEDULERS)
    except OSError as error:
        folder = JOBS.parent.absolute()
        raise ConfigError(f"cannot write to {folder} ({error.strerror}): free space, or change its owner") from None


def _remove_stale(patience: float, runs: bool) -> None:
    stale = list(LOCKS.glob("*.lock"))
    begun = map(_output_of, filter(Path.is_file, INCOMPLETE.rglob("*") if runs else ()))
    unfinished = [path for path in begun if path and path.is_file()]
    if not stale and not unfinished:
        return
    if not _free(JOBS, 0):
        print("waiting for jobs of the interrupted run to end", flush=True)
    if _free(JOBS, patience):
        for path in (*unfinished, *stale):
            path.unlink(missing_ok=True)


def _output_of(marker: Path) -> Path | None:
    """The output whose job Snakemake marks as begun: the marker's name says it in base64, in parts where it is long.

    None for a file that is no marker.
    """
    parts = marker.relative_to(INCOMPLETE).parts
    try:
        return Path(urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode())
    except ValueError:
        return None


def _free(path: Path, patience: float) -> bool:
    """Whether nobody holds the lock, at the latest after so many seconds."""
    end = time.monotonic() + patience
    with open(path, "a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(0.1)
            else:
                return True
