"""Whether a study has begun: before that there is nothing to report or to touch."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.paths import Paths

TOUCH = ("--touch", "-t")


def check_begun(arguments: Sequence[str], paths: Paths) -> None:
    """Raise ConfigError when Snakemake's command line asks for a report, or to touch files, before there are any.

    Snakemake itself would warn of every file before it gives up, or touch nothing and call it done.
    """
    if any(argument.split("=")[0] == "--report" for argument in arguments) and not Path(paths.landing).is_file():
        raise ConfigError(f"--report: there is no {paths.landing} yet; run the study first")
    if any(argument in TOUCH for argument in arguments) and not Path(paths.tree, "corpora").is_dir():
        raise ConfigError(f"--touch: there is nothing in {paths.tree} yet; run the study first")
