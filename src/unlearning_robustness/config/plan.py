"""What a person is told before the first job, and what is checked before it."""

import tempfile
from pathlib import Path

from unlearning_robustness.device import processor
from unlearning_robustness.errors import ConfigError

# Core-seconds of one (cell, attack) run with all that leads to it, averaged over the default study, by what the CPU
# multiplies; float32 is an upper estimate.
SECONDS_A_RUN = {"matrices": 28, "vectors": 50, "float32": 84}
PRECISIONS = {
    "matrices": "bfloat16",
    "vectors": "bfloat16 (this CPU has no matrix unit for it)",
    "float32": "float32 (this CPU has no native bfloat16)",
}


def writable(folder: Path, key: str) -> None:
    """Raise ConfigError when results cannot be written to ``folder``, which the configuration's ``key`` names."""
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError:
        mend = "give a folder you may write to, or change its owner"
        raise ConfigError(f"{key}: cannot write to {folder}; {mend}") from None


def plan_line(cells: int, runs: int, cores: int, small: bool = True) -> str:
    """One line: how much work, and for ``small`` models in which precision without a GPU, and about how long."""
    work = f"{cells} cells, {runs} (cell, attack) runs"
    if not small:
        return f"{work}; `make plan` says how long they take"
    minutes = runs * SECONDS_A_RUN[processor()] / 60 / max(cores, 1)
    return (
        f"{work}; without a GPU in {PRECISIONS[processor()]}, about {minutes:.0f} minutes on {cores} cores "
        "if none is done yet"
    )
