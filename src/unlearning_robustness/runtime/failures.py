"""How a job that fails says why: in one line where one line says it, else with a traceback."""

import errno
import sys
import traceback
from typing import TextIO

from unlearning_robustness.errors import StudyError
from unlearning_robustness.runtime.tracebacks import show_traceback

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
# Libraries in Rust and C++ say it in words alone.
FULL_WORDS = ("No space left on device", "File too large", "Disk quota exceeded")
MEMORY_WORDS = ("can't allocate memory", "out of memory", "Cannot allocate memory", "failed to allocate", "bad_alloc")


def line_of(error: BaseException) -> str | None:
    """What went wrong and the mend, for errors that a person can mend; None for all others."""
    if isinstance(error, StudyError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is missing: pip install -r requirements.lock"
    said, number = str(error), getattr(error, "errno", None)
    if number in FULL or any(words in said for words in FULL_WORDS):
        return f"no space is left on the disk{_file(error)}: free some and run again"
    if number in FORBIDDEN:
        return f"this may not be written or read{_file(error)}: change its owner or mode, and run again"
    if isinstance(error, MemoryError) or any(words.lower() in said.lower() for words in MEMORY_WORDS):
        return "the job ran out of memory: run fewer jobs at once (--cores 1), or give it more (docs/cost.md)"
    return None


def _file(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    return f" ({name})" if name else ""


def report(error: BaseException, log: TextIO) -> None:
    """Say it in a job's log; on a full disk, where a log takes nothing more, to the terminal."""
    line = line_of(error)
    text = f"error: {line}\n" if line else "".join(traceback.format_exception(error))
    try:
        if line:
            show_traceback(error)
        log.write(text)
        log.flush()
    except OSError:
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
