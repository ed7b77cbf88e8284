"""Run one rule's script in this process: ``python -m unlearning_robustness.workflow.debug RULE TARGET``.

The script gets the ``snakemake`` object of the job that makes TARGET and says to the terminal what it would say to its
log; breakpoints work. In a notebook ``mock_snakemake(RULE, model=..., ...)`` gives the object alone.
"""

import argparse
import logging
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from unlearning_robustness.config.root import ROOT
from unlearning_robustness.errors import ConfigError, StudyError


def load_workflow(configfiles: Sequence[Path | str] = (), config: dict | None = None):
    """Snakemake's workflow with all rules of the Snakefile, read in this process; nothing is planned or run."""
    from snakemake.api import Workflow
    from snakemake.logging import LoggerManager, logger
    from snakemake.settings.types import (
        ConfigSettings,
        DeploymentSettings,
        OutputSettings,
        ResourceSettings,
        StorageSettings,
        WorkflowSettings,
    )

    missing = [str(path) for path in configfiles if not Path(path).is_file()]
    if missing:
        raise ConfigError(f"--configfile: there is no {missing[0]}")
    logger.setLevel(logging.ERROR)
    workflow = Workflow(
        config_settings=ConfigSettings(configfiles=list(map(Path, configfiles)), config=config or {}),
        resource_settings=ResourceSettings(cores=1),
        workflow_settings=WorkflowSettings(),
        deployment_settings=DeploymentSettings(),
        storage_settings=StorageSettings(),
        logger_manager=LoggerManager(logger, OutputSettings()),
    )
    workflow.include(str(ROOT / "Snakefile"), overwrite_default_target=True)
    return workflow


def mock_snakemake(rule: str, configfiles: Sequence[Path | str] = (), **wildcards):
    """The ``snakemake`` object of the job of ``rule`` with these wildcards; paths are relative to this folder.

    Raises ConfigError for a rule that does not exist, or lacks a wildcard.
    """
    workflow = load_workflow(configfiles)
    return object_of(_rule(workflow, rule), {name: str(value) for name, value in wildcards.items()})


def mock_of_target(rule: str, target: str, configfiles: Sequence[Path | str] = ()):
    """The ``snakemake`` object of the job of ``rule`` that makes the file ``target``."""
    known = _rule(load_workflow(configfiles), rule)
    if not known.is_producer(target):
        raise ConfigError(f"rule {rule} does not make {target}; its first output is {_pattern(known.output[0])}")
    return object_of(known, known.get_wildcards(target))


def run_script(mock) -> None:
    """Run the script of a mocked job here; its log is the terminal."""
    folder = Path(mock.scriptdir)
    sys.path.append(str(folder))
    runpy.run_path(str(folder / mock.script), init_globals={"snakemake": mock}, run_name="__main__")


def _rule(workflow, name: str):
    known = {rule.name: rule for rule in workflow.rules}
    if name not in known:
        raise ConfigError(f"no rule {name!r}; there are: {', '.join(known)}")
    if not known[name].script:
        raise ConfigError(f"rule {name} has no script; it only names what others make")
    return known[name]


def _pattern(path: str) -> str:
    """An output without the constraints of its wildcards."""
    from snakemake.io import strip_wildcard_constraints

    return strip_wildcard_constraints(path)


def object_of(rule, wildcards: dict[str, str]):
    """The ``snakemake`` object of the job of a rule of a loaded workflow.

    Raises ConfigError for a rule that lacks a wildcard, or whose job Snakemake cannot make.
    """
    from types import SimpleNamespace

    from snakemake.exceptions import WildcardError, WorkflowError
    from snakemake.iocontainers import Log, Snakemake
    from snakemake.jobs import Job

    missing = sorted(rule.wildcard_names - wildcards.keys())
    if missing:
        raise ConfigError(f"{rule.name}: give {', '.join(missing)} too")
    try:
        # A job asks its graph for the workflow alone.
        job = Job(rule, SimpleNamespace(workflow=rule.workflow), wildcards)
        mock = Snakemake(
            job.input, job.output, job.params, job.wildcards, job.threads, job.resources, Log(), rule.workflow.config,
            rule.name, None, scriptdir=str(ROOT / "workflow_scripts"),
        )  # fmt: skip
    except (WildcardError, WorkflowError) as error:
        raise ConfigError(f"{rule.name}: {error}") from error
    mock.log = ["/dev/stderr"]
    mock.script = Path(str(rule.script)).name
    return mock


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m unlearning_robustness.workflow.debug", description=__doc__)
    parser.add_argument("rule")
    parser.add_argument("target", help="a file that the rule makes")
    parser.add_argument("--configfile", nargs="*", default=[])
    arguments = parser.parse_args()
    try:
        mock = mock_of_target(arguments.rule, arguments.target, arguments.configfile)
        missing = [path for path in mock.input if not Path(path).exists()]
        if missing:
            raise ConfigError(f"{missing[0]} is missing: run `snakemake {missing[0]}` first")
    except StudyError as error:
        raise SystemExit(f"error: {error}") from error
    run_script(mock)


if __name__ == "__main__":
    main()
