"""Whether results can be written where the configuration says, checked before the first job."""

import tempfile
from pathlib import Path

from unlearning_robustness.errors import ConfigError


def check_writable(folder: Path, key: str) -> None:
    """Raise ConfigError when results cannot be written to ``folder``, which the configuration's ``key`` names."""
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError:
        mend = "give a folder you may write to, or change its owner"
        raise ConfigError(f"{key}: cannot write to {folder}; {mend}") from None
