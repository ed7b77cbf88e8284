"""What a person is told before the first job."""

from collections.abc import Sequence

from unlearning_robustness.config.cells import attacked_cells, cells
from unlearning_robustness.estimate.jobs import Job
from unlearning_robustness.estimate.machines import MACHINES
from unlearning_robustness.models.shape import Work
from unlearning_robustness.runtime.device import processor

PRECISIONS = {
    "matrices": "bfloat16",
    "vectors": "bfloat16 (this CPU has no matrix unit for it)",
    "float32": "float32 (this CPU has no native bfloat16)",
}


def size_line(study: dict) -> str:
    """How much the study is, without an estimate."""
    return f"{len(cells(study))} cells, {len(attacked_cells(study))} (cell, attack) runs"


def start_line(study: dict, found: list[Job], left: Sequence[str | None], cores: int) -> str:
    """One line: how much the study is, how many jobs are left, in which precision without a GPU and about how long.

    ``left`` has one entry a job that is about to run: its ``Job.name``, or None for one too small to be measured, which
    takes only its start. Jobs that ``found`` does not have are counted apart.
    """
    machine, works = MACHINES[processor()], {job.name: job.work for job in found} | {None: Work()}
    minutes = sum(machine.seconds(works[name]) for name in left if name in works) / 60 / max(cores, 1)
    unknown = sum(name not in works for name in left)
    return (
        f"{size_line(study)}, jobs left: {len(left)}; without a GPU in {PRECISIONS[processor()]}, "
        f"about {_counted(round(minutes), 'minute')} on {_counted(cores, 'core')}"
        + (f"; not estimated: {unknown} of them" if unknown else "")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
