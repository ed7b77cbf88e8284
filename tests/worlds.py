"""Planted studies, whole: their records, measures, tables and figures' context, each made once a session."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas
from synthetic import (
    SHUFFLED,
    all_tables,
    as_read,
    by_accuracy,
    inputs_of,
    measures_of,
    of_study,
    raw_config,
    study,
    write_study,
)
from synthetic_measures import planted

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.scoring.records import read


@dataclass(frozen=True)
class World:
    """Everything there is to a planted study; read only. The ``tables`` are those of accuracy."""

    config: dict
    records: pandas.DataFrame
    measures: list[dict]
    tables: dict[str, pandas.DataFrame]
    context: ReportContext


@cache
def default_world() -> World:
    """The default study and its control with wrong answers, with the planted accuracies; made once a session."""
    return world(study(cells=[*raw_config()["study"]["cells"], SHUFFLED]))


def rna_world() -> World:
    """The RNA study's ablations and theory with two seeds, with the planted accuracies."""
    return study_world("rna-controls")


@cache
def study_world(name: str) -> World:
    """A study of studies/ with two seeds, with the planted accuracies; made once a session."""
    return _few_seeds(load_study(name))


@cache
def stableun_world() -> World:
    """The StableUN study and its controls in one, and landscapes of two methods."""
    config = load_study("stableun-controls")
    config["study"]["cells"] += load_study("stableun")["study"]["cells"]
    ascent = {"methods": ["gradient-ascent"], "defences": ["none", "sam", "stableun-unprojected"]}
    config["study"]["landscape"].append(ascent)
    return _few_seeds(config)


def _few_seeds(config: dict) -> World:
    config["study"]["seeds"] = [0, 1]
    config["analysis"]["bootstrap_samples"] = 200
    return world(resolve(config))


def world(config: dict) -> World:
    """A planted study of a resolved configuration."""
    with tempfile.TemporaryDirectory() as root:
        paths = write_study(config, Path(root))
        records, measures = read(paths), measures_of(paths)
        tables = all_tables(inputs_of(records, of_study(config), measures, **planted(config)))
        return World(config, records, measures, by_accuracy(tables), as_read(tables, config, Path(root), records))
