"""Records: one row a question answered by one attacked model. All tables and figures are queries over them."""

from collections.abc import Iterable
from pathlib import Path

import numpy
import pandas

from unlearning_robustness.config.cells import ANOTHER_ENTITY, PROBABILITY, Cell
from unlearning_robustness.runtime.manifest import atomic, read_json
from unlearning_robustness.scoring.decision import BYTE_MEAN, SUM, TOKEN_MEAN, right_log_probabilities
from unlearning_robustness.scoring.record_schema import SCHEMA

BUDGET = ("documents", "steps")
# The probe of a trajectory's forget questions about another entity: what a model that knows nothing gets right.
FLOOR = ANOTHER_ENTITY
COLUMNS = tuple(SCHEMA)


def label(
    records: pandas.DataFrame, cell: Cell, attack: str, budget: dict[str, int] | None = None, setting: str = ""
) -> pandas.DataFrame:
    """Scored questions with the columns that identify their model; an attack without a budget spent 0.

    ``setting`` is what an attack chose, in words.
    """
    spent = dict.fromkeys(BUDGET, 0) | (budget or {})
    plain = {name: "" for name in ("before", "after") if name not in records}
    return records.assign(**plain, **vars(cell), attack=attack, **spent, setting=setting)[list(COLUMNS)]


def write(path: str | Path, parts: Iterable[pandas.DataFrame]) -> None:
    """Write records as parquet, atomically."""
    with atomic(path) as temporary:
        pandas.concat(list(parts), ignore_index=True).to_parquet(temporary, index=False, compression="zstd")


def read(paths: Iterable[str | Path], columns: list[str] | None = None) -> pandas.DataFrame:
    """The records of all files, one after another."""
    return pandas.concat([pandas.read_parquet(path, columns=columns) for path in paths], ignore_index=True)


# What no table needs: the texts, and what decided answers, of which the right choice's probability is left.
UNREAD = ("before", "after", "prompt", "choices", "entropy", "token_means", "byte_means", "decided_by", "tokens_cut")
ANALYSED = [*(name for name in COLUMNS if name not in UNREAD), PROBABILITY]
# By rule of decision the column with the scores that it compares.
DECIDING = {SUM: "log_likelihoods", TOKEN_MEAN: "token_means", BYTE_MEAN: "byte_means"}


def read_answers(paths: Iterable[str | Path]) -> pandas.DataFrame:
    """What tables read of the records of all files, with the ``probability`` of the right choice."""
    needed = [name for name in COLUMNS if name in ANALYSED or name in ("decided_by", *DECIDING.values())]
    frames = [with_probability(pandas.read_parquet(path, columns=needed)) for path in paths]
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame(columns=ANALYSED)


def with_probability(records: pandas.DataFrame) -> pandas.DataFrame:
    """The columns that tables read, among them the ``probability`` of the right choice among the choices, 0 to 1.

    It is the softmax over the scores that decide the answer: it moves while answers stay as they are.
    """
    probability, choices = numpy.empty(len(records)), records["log_likelihoods"].map(len)
    for (rule, _), rows in records.groupby([records["decided_by"], choices]).indices.items():
        scores = numpy.stack(records[DECIDING[rule]].to_numpy()[rows]).astype(float)
        probability[rows] = numpy.exp(right_log_probabilities(scores, records["answer"].to_numpy()[rows]))
    return records.assign(**{PROBABILITY: probability})[ANALYSED]


def read_measures(paths: Iterable[str | Path]) -> list[dict]:
    """The contents of ``records/CELL/none/measures.json`` files, with the cell they are of."""
    entries = []
    for path in map(Path, paths):
        model, benchmark, method, defence, seed = path.parts[-7:-2]
        cell = Cell(model, benchmark, method, defence, int(seed.removeprefix("seed")))
        entries.append({**vars(cell), **read_json(path)})
    return entries
