"""Records: one row a question answered by one attacked model. All tables and figures are queries over them."""

from collections.abc import Iterable
from pathlib import Path

import pandas

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.manifest import atomic

BUDGET = ("documents", "steps")
COLUMNS = (
    "model", "benchmark", "method", "defence", "seed", "attack", *BUDGET,
    "probe", "role", "split", "relation", "entity", "fact", "template", "question",
    "prompt", "choices", "answer", "log_likelihoods", "entropy", "prediction", "correct",
)  # fmt: skip


def label(records: pandas.DataFrame, cell: Cell, attack: str, budget: dict[str, int] | None = None) -> pandas.DataFrame:
    """Scored questions with the columns that say of which model they are; an attack without a budget spent 0."""
    spent = dict.fromkeys(BUDGET, 0) | (budget or {})
    return records.assign(**vars(cell), attack=attack, **spent)[list(COLUMNS)]


def write(path: str | Path, parts: Iterable[pandas.DataFrame]) -> None:
    """Write records as parquet, atomically."""
    with atomic(path) as temporary:
        pandas.concat(list(parts), ignore_index=True).to_parquet(temporary, index=False, compression="zstd")


def read(paths: Iterable[str | Path], columns: list[str] | None = None) -> pandas.DataFrame:
    """All records of the given files, one after another."""
    return pandas.concat([pandas.read_parquet(path, columns=columns) for path in paths], ignore_index=True)
