"""Defences and controls: one file each; a row of them makes a step."""

from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.gradient_noise import GradientNoise
from unlearning_robustness.defences.rna import RNA

DEFENCES = {"rna": RNA, "gradient-noise": GradientNoise, "early-stop": EarlyStop}


def build_step(row: list[dict]) -> Step:
    """The step of a row of resolved defence entries; the empty row is plain unlearning."""
    step = Step()
    for entry in row:
        DEFENCES[entry["kind"]](**entry["parameters"]).install(step)
    return step
