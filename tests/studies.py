"""A study of studies/ as Snakemake merges it: config.yaml, what the study builds on, the study."""

from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from unlearning_robustness.config.overlays import base_studies

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "studies"


def load_study(name: str) -> dict:
    """The configuration of a study, not resolved."""
    config, own = load_configfile(ROOT / "config.yaml"), load_configfile(STUDIES / f"{name}.yaml")
    for part in base_studies(own, STUDIES):
        update_config(config, load_configfile(part))
    update_config(config, own)
    return config
