"""A study of studies/ as the workflow merges it: config.yaml, what the study builds on, the study."""

import copy
from functools import cache
from pathlib import Path

from snakemake.common.configfile import load_configfile

from unlearning_robustness.config.overlays import base_studies
from unlearning_robustness.workflow.study import merged

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "studies"


def load_study(name: str) -> dict:
    """The configuration of a study, not resolved."""
    return copy.deepcopy(_load_study(name))


@cache
def _load_study(name: str) -> dict:
    own = load_configfile(STUDIES / f"{name}.yaml")
    return merged([ROOT / "config.yaml", *base_studies(own, STUDIES)], own)
