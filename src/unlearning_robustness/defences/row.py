"""A row of defences makes a step."""

from unlearning_robustness.defences import DEFENCES
from unlearning_robustness.defences.base import Step


def build_step(row: list[dict]) -> Step:
    """The step of a row of resolved defence entries; the empty row is plain unlearning."""
    step = Step()
    for entry in row:
        DEFENCES[entry["kind"]](**entry["parameters"]).install(step)
    return step
