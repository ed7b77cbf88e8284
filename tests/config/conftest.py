"""The default configuration, as Snakemake reads it."""

from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    loaded = load_configfile(ROOT / "config.yaml")
    loaded["defences"]["weight-noise"] = {"label": "noise", "kind": "weight-noise", "parameters": {"match": "none"}}
    return loaded
