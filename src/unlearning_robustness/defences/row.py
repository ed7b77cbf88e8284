"""A row of defences makes a step, and may change the schedule."""

from unlearning_robustness.defences import DEFENCES
from unlearning_robustness.defences.base import Step
from unlearning_robustness.engine.schedule import Schedule


def build_step(row: list[dict]) -> Step:
    """The step of a row of resolved defence entries; the empty row is plain unlearning."""
    step = Step()
    for part in _parts(row):
        part.install(step)
    return step


def reschedule(row: list[dict], schedule: Schedule) -> Schedule:
    """The schedule that a row trains by."""
    for part in _parts(row):
        if hasattr(part, "reschedule"):
            schedule = part.reschedule(schedule)
    return schedule


def _parts(row: list[dict]) -> list:
    return [DEFENCES[entry["kind"]](**entry["parameters"]) for entry in row]
