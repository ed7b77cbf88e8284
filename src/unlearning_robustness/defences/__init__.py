"""Defences and controls: one file each; a row of them makes a step."""

from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.gradient_noise import GradientNoise
from unlearning_robustness.defences.rna import RNA

DEFENCES = {"rna": RNA, "gradient-noise": GradientNoise, "early-stop": EarlyStop}
