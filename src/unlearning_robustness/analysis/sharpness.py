"""Does sharpness predict how much relearning brings back? Per cell, and as rank correlations over cells."""

from collections.abc import Iterator

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, spearman
from unlearning_robustness.analysis.inputs import CELL, Inputs
from unlearning_robustness.analysis.relearning import early_answers, early_recovery
from unlearning_robustness.config.cells import PLACE

READS = ("answers", "attacked", "measures", "sharpness")
SETTINGS = ()
COLUMNS = [*CELL, "statistic", "at", "value", "error", "start", "gain"]
# What of an attacked cell stands among the measures without any curvature: the norm of what unlearning moved, and the
# forget accuracy before the attack.
PLAIN = {"weight_change": "weight_change", "start": "before"}
NOTHING, START = "nothing", "start"


def sharpness(inputs: Inputs) -> pandas.DataFrame:
    """Every measure of every cell, beside the accuracy that early relearning starts from and brings back there.

    A cell that is not attacked has neither. ``weight_change`` and ``start`` stand among the measures.
    """
    measured = inputs.recorded["sharpness"]
    return beside_recovery(measured, early_recovery(inputs)) if len(measured) else pandas.DataFrame(columns=COLUMNS)


def beside_recovery(measured: pandas.DataFrame, recovery: pandas.DataFrame) -> pandas.DataFrame:
    """The measures of cells, with what the table of early recovery has of them."""
    cells, parts = measured[CELL].drop_duplicates(), [measured]
    for statistic, column in PLAIN.items():
        plain = recovery[CELL].assign(statistic=statistic, at=0.0, value=recovery[column], error=0.0)
        parts.append(plain.merge(cells, on=CELL))
    attacked = recovery[CELL].assign(start=recovery["before"], gain=recovery["gain"])
    table = pandas.concat(parts, ignore_index=True).merge(attacked, on=CELL, how="left")
    return table[COLUMNS].sort_values(COLUMNS[:-3], ignore_index=True)


def sharpness_correlations(inputs: Inputs) -> pandas.DataFrame:
    """Rank correlation of each measure with the accuracy regained, see ``correlations``."""
    return correlations(sharpness(inputs), inputs.bootstrap, start_errors(inputs))


def start_errors(inputs: Inputs) -> dict[tuple, tuple[float, float]]:
    """By (model, benchmark, method) the variance of a start's error, and its covariance with that of the gain.

    Both are of the mean over facts, from what cells and facts leave of the answers before the attack and of what it
    changed: the facts that were asked are a draw, and another one ranks the cells otherwise.
    """
    before, after = early_answers(inputs)
    errors = {}
    for place, rows in after.groupby([*PLACE, "method"]):
        same = before[(before[[*PLACE, "method"]] == list(place)).all(axis=1)]
        levels = [part.pivot_table("value", ["defence", "seed"], "fact", aggfunc="mean") for part in (same, rows)]
        start, end = levels[0].reindex_like(levels[1]).to_numpy(float), levels[1].to_numpy(float)
        left = [_residuals(values) for values in (start, end - start)]
        count = max(1, (start.shape[0] - 1) * (start.shape[1] - 1)) * start.shape[1]
        errors[place] = tuple(float((left[0] * other).sum() / count) for other in left)
    return errors


def _residuals(values: numpy.ndarray) -> numpy.ndarray:
    """What the means of rows and columns leave of values (cells, facts)."""
    return values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()


def correlations(
    table: pandas.DataFrame, bootstrap: CrossedBootstrap, errors: dict[tuple, tuple[float, float]] | None = None
) -> pandas.DataFrame:
    """Rank correlation of each measure with the accuracy regained, over the attacked cells of each method.

    Where more was forgotten more can come back, however sharp the minimum: ``given`` is ``nothing``, or ``start`` for
    the partial correlation at equal forget accuracy before the attack, corrected for the ``errors`` of that accuracy
    (see ``start_errors``). The interval draws kinds of cells with replacement, all seeds of a kind together: seeds of
    one defence are alike. Where nothing varies there is no row.
    """
    keys = [*PLACE, "method", "statistic", "at"]
    rows, attacked = [], table[table["gain"].notna()] if len(table) else table
    for names, part in attacked.groupby(keys, sort=True) if len(attacked) else ():
        if part["defence"].nunique() < 3:
            continue
        draws = list(_drawn(part["defence"].to_numpy(), bootstrap))
        values = [part[column].to_numpy() for column in ("value", "gain", "start")]
        error = (errors or {}).get(names[:3], (0.0, 0.0))
        for given, columns in ((NOTHING, values[:2]), (START, values)):
            if estimate := _correlation(columns, draws, bootstrap, error):
                named = dict(zip(keys, names, strict=True))
                rows.append({**named, "given": given, **estimate, "cells": len(part)})
    return pandas.DataFrame(rows, columns=[*keys, "given", "mean", "low", "high", "cells"])


def _correlation(
    values: list[numpy.ndarray], draws: list[numpy.ndarray], bootstrap: CrossedBootstrap, error: tuple[float, float]
) -> dict[str, float]:
    """The rank correlation of ``values`` (2 or 3 of N) and its interval over ``draws``; nothing where none varies.

    A draw in which the start is all error leaves everything open: it counts as -1 and as 1.
    """
    named = {"error": error}
    mean = spearman(*values, **named)
    if numpy.isnan(mean):
        return {}
    drawn = numpy.array([spearman(*(column[draw] for column in values), **named) for draw in draws])
    if error == (0.0, 0.0) or len(values) == 2:
        drawn = drawn[~numpy.isnan(drawn)]
    low, high = (bootstrap.interval(numpy.nan_to_num(drawn, nan=end).clip(-1, 1))[end > 0] for end in (-1.0, 1.0))
    return {"mean": float(numpy.clip(mean, -1, 1)), "low": low, "high": high}


def _drawn(kinds: numpy.ndarray, bootstrap: CrossedBootstrap) -> Iterator[numpy.ndarray]:
    """Indices into ``kinds`` (N,): as many kinds as there are, drawn with replacement, each with all its cells."""
    random, names = numpy.random.default_rng(bootstrap.seed), sorted(set(kinds))
    indices = [numpy.flatnonzero(kinds == name) for name in names]
    for _ in range(bootstrap.samples):
        yield numpy.concatenate([indices[number] for number in random.choice(len(names), len(names))])
