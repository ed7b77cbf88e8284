"""What a person is told before the first job, and what is checked before it."""

import tempfile
from pathlib import Path

from unlearning_robustness.device import native_bfloat16
from unlearning_robustness.errors import ConfigError


def writable(folder: Path) -> None:
    """Raise ConfigError when results cannot be written to ``folder``."""
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError:
        mend = "give a folder you may write to, or change its owner"
        raise ConfigError(f"study.results: cannot write to {folder}; {mend}") from None


def plan_line(cells: int, runs: int) -> str:
    """One line: how much work, in which precision, and how that compares."""
    work = f"{cells} cells, {runs} (cell, attack) runs"
    if native_bfloat16():
        return f"{work}; this CPU computes bfloat16 natively (without a GPU: bfloat16, one thread a job)"
    return (
        f"{work}; this CPU has no native bfloat16: without a GPU float32 is used, which takes about three times as long"
    )
