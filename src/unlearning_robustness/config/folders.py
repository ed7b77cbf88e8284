"""Where a study writes: a folder of its own, whose name Snakemake's patterns and all file systems can hold."""

import posixpath
from pathlib import Path

from unlearning_robustness.errors import ConfigError

# Folders of the workflow and of Snakemake beside a study's results.
TAKEN = (
    "src", "resources", "rules", "schemas", "studies", "tests", "workflow_scripts", "benchmarks", "docs", "envs",
    "exports", "profiles", "report", ".ci", ".git", ".snakemake", ".venv",
)  # fmt: skip
# Snakemake reads them as wildcards or patterns, or no path holds them.
FORBIDDEN = "{}*?[]"


def check_folders(study: dict) -> None:
    """Raise ConfigError for a folder of results that is none of the study's own."""
    for key in ("results", "reuse_results"):
        if key in study:
            _check_folder(f"study.{key}", study[key])
    for folder in study["beside"]:
        if not Path(matrix_in(folder)).is_file():
            raise ConfigError(f"study.beside: there is no {matrix_in(folder)}; run that study first, or leave it out")
    if "reuse_results" in study and tidy(study["reuse_results"]) == tidy(study["results"]):
        raise ConfigError("study.reuse_results: is the study's own folder; name another study's, or leave the key out")


def matrix_in(results: str) -> str:
    """Where the matrix of a study lies, in its folder of results."""
    return f"{tidy(results)}/tables/matrix.csv"


def tidy(folder: str) -> str:
    """The folder without slashes at its end and points inside."""
    return posixpath.normpath(folder)


def _check_folder(key: str, folder: str) -> None:
    if wrong := next((sign for sign in folder if sign in FORBIDDEN or ord(sign) < 32 or ord(sign) == 127), None):
        raise ConfigError(f"{key}: {folder!r} has {wrong!r}, which no folder of results may have; leave it out")
    if tidy(folder) in ("/", ".", "..") or tidy(folder).split("/")[-1] == "..":
        raise ConfigError(f"{key}: {folder!r} is no folder of the study's own; name one, such as results/mine")
    if tidy(folder).split("/")[0] in TAKEN:
        raise ConfigError(f"{key}: {folder!r} is a folder of the workflow itself; name another, such as results/mine")
