"""Does sharpness predict how much relearning brings back? Per cell, and as rank correlations over cells."""

from collections.abc import Iterable

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, spearman
from unlearning_robustness.config.cells import KIND, PLACE

CELL = [*KIND, "seed"]
COLUMNS = [*CELL, "statistic", "at", "value", "error", "gain"]


def read_sharpness(paths: Iterable[str]) -> pandas.DataFrame:
    """The measures of every measured cell; without one, no rows."""
    parts = [pandas.read_parquet(path) for path in paths]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=COLUMNS[:-1])


def sharpness(measured: pandas.DataFrame, recovery: pandas.DataFrame) -> pandas.DataFrame:
    """Every measure of every cell, beside the accuracy that early relearning brings back there, if it is attacked.

    ``weight_change``, the norm of what unlearning moved, stands among the measures: it needs no curvature.
    """
    if measured.empty:
        return pandas.DataFrame(columns=COLUMNS)
    moved = recovery[[*CELL, "weight_change"]].rename(columns={"weight_change": "value"})
    moved = moved.merge(measured[CELL].drop_duplicates(), on=CELL).assign(statistic="weight_change", at=0.0, error=0.0)
    table = pandas.concat([measured, moved], ignore_index=True).merge(recovery[[*CELL, "gain"]], on=CELL, how="left")
    return table[COLUMNS].sort_values(COLUMNS[:-2], ignore_index=True)


def sharpness_correlations(table: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Rank correlation of each measure with the accuracy regained, over the attacked cells of each method.

    The interval draws kinds of cells with replacement, all seeds of a kind together: seeds of one defence are alike.
    """
    columns = [*PLACE, "method", "statistic", "at", "mean", "low", "high", "cells"]
    rows, tail = [], (1 - bootstrap.confidence) / 2
    attacked = table[table["gain"].notna()] if len(table) else table
    for keys, part in attacked.groupby([*PLACE, "method", "statistic", "at"], sort=True) if len(attacked) else ():
        if part["defence"].nunique() < 3:
            continue
        random, kinds = numpy.random.default_rng(bootstrap.seed), dict(tuple(part.groupby("defence")))
        drawn = []
        for _ in range(bootstrap.samples):
            picked = pandas.concat([kinds[name] for name in random.choice(list(kinds), len(kinds))])
            drawn.append(spearman(picked["value"], picked["gain"]))
        low, high = numpy.nanquantile(drawn, [tail, 1 - tail])
        named = dict(zip([*PLACE, "method", "statistic", "at"], keys, strict=True))
        mean = spearman(part["value"], part["gain"])
        rows.append({**named, "mean": mean, "low": low, "high": high, "cells": len(part)})
    return pandas.DataFrame(rows, columns=columns)
