"""Snakemake as a fork of a process that has imported it: its imports are a second of every start, and there are many.

Nothing of this repository is imported before the fork, so every run reads the files as they are.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli", "smart_open", "jsonschema", "nbformat", "docutils.core"])


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    """What ``subprocess.run`` would give for a command whose program is Snakemake's."""
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_snakemake, args=(command, environment, printed))
        process.start()
        process.join()
        return subprocess.CompletedProcess(command, process.exitcode, *(path.read_text() for path in printed))


def _snakemake(command: list[str], environment: dict[str, str], printed: list[Path]) -> None:
    for stream, path in zip((sys.stdout, sys.stderr), printed, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    from snakemake.cli import main

    main(command[1:])
