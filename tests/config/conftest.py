"""The default configuration, as Snakemake reads it."""

import copy
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def default_config():
    loaded = load_configfile(ROOT / "config.yaml")
    loaded["defences"]["weight-noise"] = {"label": "noise", "kind": "weight-noise", "parameters": {"match": "none"}}
    return loaded


@pytest.fixture
def config(default_config):
    return copy.deepcopy(default_config)
