"""What a job says when it fails."""

import errno
import io
import os
import subprocess
import sys

import pytest

from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.failures import line_of, report


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("facts: too few"), "facts: too few"),
        (ModuleNotFoundError("x", name="peft"), "the package peft is missing: pip install -r requirements.lock"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "no space is left on the disk (a/b): free some"),
        (OSError(errno.EDQUOT, "Quota"), "no space is left on the disk: free some"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "no space is left on the disk"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "this may not be written or read (a): change its owner"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "this may not be written or read (a)"),
        (MemoryError(), "the job ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "the job ran out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "the job ran out of memory"),
    ],
)
def test_what_a_person_can_mend_is_one_line(error, said):
    log = io.StringIO()
    report(error, log)
    assert log.getvalue().startswith(f"error: {said}") and log.getvalue().count("\n") == 1


def test_what_nobody_can_mend_is_a_traceback():
    log = io.StringIO()
    try:
        {}["nothing"]
    except KeyError as error:
        assert line_of(error) is None
        report(error, log)
    assert log.getvalue().startswith("Traceback") and "KeyError: 'nothing'" in log.getvalue()


def test_where_a_log_takes_nothing_more_the_terminal_does(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "__stderr__", terminal := io.StringIO())
    report(OSError(errno.ENOSPC, "No space left on device"), Full())
    assert terminal.getvalue().startswith("error: no space is left on the disk")


# What writers of artefacts and large tensors say at real limits of this process.
WRITERS = {
    "safetensors": "import torch; from safetensors.torch import save_file; save_file({'x': torch.zeros(10**6)}, 'x')",
    "parquet": "import pandas; pandas.DataFrame({'x': range(10**6)}).to_parquet('x')",
    "text": "open('x', 'w').write('x' * 10**6)",
}


FAILING = """
import resource, sys
from unlearning_robustness.runtime.failures import report
try:
    {code}
except Exception as error:
    report(error, sys.stdout)
"""


def failing(code: str, folder) -> str:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", FAILING.format(code=code)]
    ended = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_of_a_full_disk_is_understood(writer, tmp_path):
    said = failing(f"resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)); {WRITERS[writer]}", tmp_path)
    assert said.startswith("error: no space is left on the disk") and said.count("\n") == 1


def test_a_job_over_its_memory_limit_is_understood(tmp_path):
    limited = "import torch; resource.setrlimit(resource.RLIMIT_AS, (2**36, 2**36)); torch.zeros(10**12)"
    assert failing(limited, tmp_path).startswith("error: the job ran out of memory")
