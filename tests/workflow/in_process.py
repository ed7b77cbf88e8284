"""Run every job of a study in this process, in the order of its inputs: no start of Python a job, and tracebacks."""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch

from unlearning_robustness.models import loading
from unlearning_robustness.runtime import job as running
from unlearning_robustness.workflow.debug import load_workflow, object_of, run_script


class JobError(Exception):
    """A job that failed, with the end of what it said."""


def jobs_of(workflow, targets: list[str]) -> Iterator:
    """The ``snakemake`` objects of the jobs that make ``targets``, each once, after those that make its inputs."""
    rules = [rule for rule in workflow.rules if rule.script]
    seen: set[str] = set()

    def chain(target: str) -> Iterator:
        if target in seen or Path(target).exists():
            return
        (rule,) = [rule for rule in rules if rule.is_producer(target)] or [None]
        if rule is None:
            seen.add(target)
            return
        job = object_of(rule, rule.get_wildcards(target))
        seen.update(map(str, job.output))
        for path in job.input:
            yield from chain(str(path))
        yield job

    for target in targets:
        yield from chain(target)


def run_study(configfile: Path, targets_of: Callable[[object], list[str]]) -> list:
    """Run all jobs behind the files that ``targets_of`` asks of the study; returns them, in order.

    Raises JobError for the first one that fails.
    """
    workflow = load_workflow([configfile])
    done = []
    with loaded_once():
        for job in jobs_of(workflow, targets_of(workflow.globals["study"])):
            _run(job, Path("logs") / f"{len(done)}-{job.rule}.log")
            done.append(job)
    return done


@contextmanager
def loaded_once() -> Iterator[None]:
    """Inside the block a model folder is read once for each way of reading it, and jobs get copies."""
    read, load = {}, loading.load_model

    def copied(folder, device="cpu", dtype=torch.float32, layers=None, loaded=None):
        way = str(folder), str(device), dtype, layers
        if way not in read:
            read[way] = load(folder, device, dtype, layers, loaded)
        model, digest = read[way]
        return copy.deepcopy(model), digest

    with mock.patch.object(loading, "load_model", copied):
        yield


def _run(job, log: Path) -> None:
    log.parent.mkdir(exist_ok=True)
    job.log = [str(log)]
    for path in job.output:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr

    def fail(code: int) -> None:
        raise JobError(f"{job.rule} {dict(job.wildcards.items())}\n{log.read_text()[-3000:]}")

    try:
        with mock.patch.object(running, "exit_now", fail):
            run_script(job)
    finally:
        sys.stdout, sys.stderr = streams
    missing = [path for path in job.output if not Path(path).exists()]
    if missing:
        raise JobError(f"{job.rule} did not write {missing[0]}")
