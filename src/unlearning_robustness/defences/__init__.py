"""Defences, baselines and controls: one file each; a row of them makes a step."""

from unlearning_robustness.config.kinds import DEFENCES as REGISTRY
from unlearning_robustness.config.kinds import Kinds

DEFENCES = Kinds(REGISTRY)
