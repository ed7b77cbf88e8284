"""How workflow tests start Snakemake, and what they read from what it prints."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import forked

from unlearning_robustness.config.constants import constant

ROOT = Path(__file__).parents[2]
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
CI = ROOT / "studies" / "ci.yaml"
PLACE = "smollm2-135m-instruct/elements"


@contextmanager
def unchanged_process():
    """Reading the Snakefile in this process sets what jobs find in their environment; afterwards all is as before."""
    with mock.patch.dict(os.environ), mock.patch.object(sys, "path", list(sys.path)):
        yield


def snakemake_command(*arguments: str, folder: Path = ROOT, snakefile: Path = ROOT / "Snakefile") -> list[str]:
    """The command that runs Snakemake in ``folder``."""
    return [SNAKEMAKE, "--snakefile", str(snakefile), "--directory", str(folder), *map(str, arguments)]


def snakemake(*arguments: str, folder: Path = ROOT, check: bool = True, **named) -> subprocess.CompletedProcess:
    """Run Snakemake in ``folder``, on the repository's Snakefile unless ``snakefile`` is another."""
    command = snakemake_command(*arguments, folder=folder, **named)
    result = forked.run(command, {**os.environ, "COLUMNS": "200"})
    if check and result.returncode:
        raise AssertionError(f"{' '.join(command)}\n{result.stdout[-4000:]}\n{result.stderr[-8000:]}")
    return result


# One rule for each group of tables, and those of what is made of tables.
TABLE_RULES = {f"tables_{group}" for group in constant("analysis", "GROUPS")}
REPORT_RULES = {*TABLE_RULES, "figure", "page", "index", "landing"}
# Those of `make figures`, which also writes what goes into a paper.
FIGURE_RULES = {*REPORT_RULES, "paper_figure", "paper_table", "figures"}


def planned(*configfiles: Path, folder: Path = ROOT, targets: tuple[str, ...] = ()) -> dict[str, int]:
    """Jobs a rule of a dry run; empty when there is nothing to do."""
    arguments = ["--dry-run", *(["--configfile", *configfiles] if configfiles else []), "--", *targets]
    return counted(snakemake(*arguments, folder=folder))


def counted(dry_run: subprocess.CompletedProcess) -> dict[str, int]:
    """Jobs a rule of what a dry run printed."""
    table = (dry_run.stdout + dry_run.stderr).split("Job stats:", 1)
    rows = re.findall(r"^(\w+)\s+(\d+)$", table[1].split("total", 1)[0], re.M) if len(table) == 2 else []
    return {rule: int(count) for rule, count in rows if rule != "all"}
