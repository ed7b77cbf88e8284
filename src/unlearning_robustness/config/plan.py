"""What a person is told before the first job, and what is checked before it."""

import tempfile
from pathlib import Path

from unlearning_robustness.device import native_bfloat16
from unlearning_robustness.errors import ConfigError

# Core-seconds of one (cell, attack) run with all that leads to it, averaged over the default study; float32 is an
# upper estimate, three times as many.
SECONDS_A_RUN = {"bfloat16": 28, "float32": 84}


def writable(folder: Path) -> None:
    """Raise ConfigError when results cannot be written to ``folder``."""
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError:
        mend = "give a folder you may write to, or change its owner"
        raise ConfigError(f"study.results: cannot write to {folder}; {mend}") from None


def plan_line(cells: int, runs: int, cores: int, small: bool = True) -> str:
    """One line: how much work, and for ``small`` models in which precision without a GPU, and about how long."""
    work = f"{cells} cells, {runs} (cell, attack) runs"
    if not small:
        return f"{work}; `make plan` says how long they take"
    precision = "bfloat16" if native_bfloat16() else "float32 (this CPU has no native bfloat16)"
    minutes = runs * SECONDS_A_RUN[precision.split()[0]] / 60 / max(cores, 1)
    return f"{work}; without a GPU in {precision}, about {minutes:.0f} minutes on {cores} cores if none is done yet"
