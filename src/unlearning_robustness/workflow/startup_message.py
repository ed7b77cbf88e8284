"""What the workflow says to the person who started it, before the first job."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from unlearning_robustness.config.cells import attacked_cells, cells
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.estimate.jobs import Job
from unlearning_robustness.estimate.machines import MACHINES
from unlearning_robustness.models.shape import Work
from unlearning_robustness.runtime.device import processor
from unlearning_robustness.workflow.study import Study

PRECISIONS = {
    "matrices": "bfloat16",
    "vectors": "bfloat16 (this CPU has no matrix unit for it)",
    "float32": "float32 (this CPU has no native bfloat16)",
}


def startup_message(study: Study, times: Iterable[str | None], cores: int) -> str:
    """One line for the person who started the study; minutes for models that are small and whose shape is known.

    ``times`` says for each job that is about to run where its cost will be measured, if anywhere.
    """
    if not study.requests.small():
        return f"{size_line(study.config['study'])}; `make plan` says how long they take"
    # Here, since what a domain holds takes seconds to find out and every job reads the rules.
    from unlearning_robustness.estimate.domains import domains
    from unlearning_robustness.estimate.jobs import jobs_of
    from unlearning_robustness.models.shape import shapes_of

    models = Path(study.paths.prefixed("resources/models"))
    estimated = jobs_of(study.config, shapes_of(study.config, models), domains())
    return start_line(study.config["study"], estimated, [job_name(path) for path in times], cores)


def claims_line(study: Study) -> str:
    """One line on the claims that the study can hardly decide; empty where it can decide all.

    Raises ConfigError with that line where `analysis.undecidable` is stop.
    """
    if not study.config["claims"]:
        return ""
    from unlearning_robustness.estimate.claims import undecidable
    from unlearning_robustness.estimate.domains import domains

    line = undecidable(study.config, domains())
    if line and study.config["analysis"]["undecidable"] == "stop":
        raise ConfigError(f"study.seeds: {line}; give more seeds or facts, or set analysis.undecidable to warn")
    return line


def job_name(times: str | None) -> str | None:
    """The job whose measured cost lies at ``times``, named as estimates name it; None where nothing is measured."""
    return times.partition("benchmark_times/")[2].removesuffix(".jsonl") if times else None


def size_line(study: dict) -> str:
    """How much the study is, without an estimate."""
    return f"{len(cells(study))} cells, {len(attacked_cells(study))} (cell, attack) runs"


def start_line(study: dict, estimated: list[Job], left: Sequence[str | None], cores: int) -> str:
    """One line: how much the study is, how many jobs are left, in which precision without a GPU and about how long.

    ``left`` has one entry a job that is about to run: its ``Job.name``, or None for one too small to be measured, which
    takes only its start. Jobs that were not ``estimated`` are counted apart.
    """
    machine, works = MACHINES[processor()], {job.name: job.work for job in estimated} | {None: Work()}
    minutes = sum(machine.seconds(works[name]) for name in left if name in works) / 60 / max(cores, 1)
    unknown = sum(name not in works for name in left)
    return (
        f"{size_line(study)}, jobs left: {len(left)}; without a GPU in {PRECISIONS[processor()]}, "
        f"about {_counted(round(minutes), 'minute')} on {_counted(cores, 'core')}"
        + (f"; not estimated: {unknown} of them" if unknown else "")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
