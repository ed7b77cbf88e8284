"""What every script imports first: it finds this repository's package, wherever the workflow was started or copied."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from unlearning_robustness.runtime.job import job

__all__ = ["job"]
