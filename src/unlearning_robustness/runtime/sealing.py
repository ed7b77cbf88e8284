"""Seal files that no job of this checkout wrote: ``python -m unlearning_robustness.runtime.sealing RESULTS [FILE...]``.

A delta made by hand, records that somebody published, results of an earlier version: what they hold is looked at once,
and from then on they are read as what their place below RESULTS says (see docs/artefacts.md, ``make seal``).
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from unlearning_robustness.errors import ArtefactError, StudyError
from unlearning_robustness.runtime.artefacts import seal

# What no job reads.
UNREAD = ("logs", "scratch", "benchmark_times")


def seal_by_hand(results: Path, chosen: Sequence[Path] = ()) -> list[Path]:
    """Seal files below ``results``, by default all that jobs read; returns them.

    Raises ArtefactError for one that is missing, unreadable or empty, or holds a number that is none.
    """
    files = sorted(set(_files(results, chosen or [results])))
    for path in files:
        if fault := fault_in(path):
            raise ArtefactError(f"{path} {fault}: nothing was sealed; delete it, or put a whole one there")
    for path in files:
        seal(path, path.relative_to(results).as_posix(), rule="by hand")
    return files


def _files(results: Path, chosen: Sequence[Path]) -> Iterator[Path]:
    for path in chosen:
        if not path.exists():
            raise ArtefactError(f"{path} is missing: correct its name")
        if results not in (path, *path.parents):
            raise ArtefactError(f"{path} is not below {results}: name the study too, STUDY=...")
        for file in path.rglob("*") if path.is_dir() else [path]:
            unread = file.relative_to(results).parts[0] in UNREAD
            if file.is_file() and not file.name.startswith(".") and not unread:
                yield file


def fault_in(path: Path) -> str | None:
    """What is wrong with a file by itself, as far as its form tells: None when nothing is."""
    look = {".safetensors": _tensors, ".parquet": _table, ".json": _json, ".csv": _csv}.get(path.suffix)
    if path.stat().st_size == 0:
        return "is empty"
    try:
        return look(path) if look else None
    except Exception as error:
        return f"cannot be read ({str(error).splitlines()[0]})"


def _tensors(path: Path) -> str | None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as handle:
        for name in handle.keys():  # noqa: SIM118
            if not handle.get_tensor(name).isfinite().all():
                return f"holds NaN or infinite numbers in {name}"
    return None


def _table(path: Path) -> str | None:
    import pyarrow
    from pyarrow import compute, parquet

    table = parquet.read_table(path)
    if not table.num_rows:
        return "has no rows"
    for name, column in zip(table.column_names, table.columns, strict=True):
        scores = pyarrow.types.is_list(column.type) and pyarrow.types.is_floating(column.type.value_type)
        # Pandas writes NaN as null.
        if scores and not all(compute.is_finite(compute.list_flatten(column)).fill_null(False).to_pylist()):
            return f"holds NaN or infinite numbers in {name}"
    return None


def _json(path: Path) -> None:
    json.loads(path.read_bytes())


def _csv(path: Path) -> str | None:
    with open(path, newline="") as handle:
        widths = {len(row) for row in csv.reader(handle)}
    return "has rows of different lengths" if len(widths) > 1 else None


def main() -> None:
    """The command line."""
    results, *chosen = map(Path, sys.argv[1:])
    try:
        print(f"sealed {len(seal_by_hand(results, chosen))} files in {results}")
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
