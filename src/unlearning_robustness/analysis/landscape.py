"""The loss around unlearned models: slices of every cell, over its seeds."""

from collections.abc import Iterable

import pandas

from unlearning_robustness.config.cells import KIND

POINT = [*KIND, "slice", "corpus", "a", "b"]


def read_landscapes(paths: Iterable[str]) -> pandas.DataFrame:
    """The slices of every measured cell; without one, no rows."""
    parts = [pandas.read_parquet(path) for path in paths]
    columns = [*POINT, "seed", "nll", "length"]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=columns)


def landscape(measured: pandas.DataFrame) -> pandas.DataFrame:
    """NLL a token at every point: mean, least and most over seeds, and the mean ||d1||, the unit of a and b.

    Each seed has directions of its own: its own relearned model and its own random orthogonal direction.
    """
    over = measured.groupby(POINT, sort=True)
    table = over["nll"].agg(mean="mean", least="min", most="max", seeds="size")
    return table.assign(length=over["length"].mean()).reset_index()
