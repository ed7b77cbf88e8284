"""Data sets as they are published: each named part becomes one parquet file, from pinned files of the hub or a folder.

Parquet is read by ``datasets``; JSON and CSV by own code, as ``datasets`` turns dates into timestamps, the choice
"None" into nothing and "007" into a number.
"""

import fnmatch
import glob
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas

from unlearning_robustness.data.columns import check_types, renamed
from unlearning_robustness.data.file_rows import RowError, Rows, csv_rows, json_rows, kind_of, paragraphs
from unlearning_robustness.data.hub import Repository, fetch_files
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.data.places import joined, with_places
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import atomic, file_digest

CACHE = ".datasets"
TABLES = (".parquet", ".json", ".jsonl", ".csv", ".txt")


def fetch(settings: dict, folder: Path, scratch: Path) -> dict:
    """Write ``{part}.parquet`` for every part of a source's ``files`` into ``folder``; returns the folder's manifest.

    ``files`` maps a part to a path in the repository or folder, in which ``*`` stands for anything; files of one part
    are joined in the order of their names. ``columns`` maps the names that readers know to those of the files, and
    ``header`` names the columns of a CSV without a first line of names. ``scratch`` holds downloads and the cache of
    ``datasets`` until all parts are written. Raises FetchError, one line that says what to do.
    """
    parts = settings["files"]
    if "hub" in settings:
        repository = Repository.of(settings["hub"], "dataset")
        files = fetch_files(repository, lambda names: sorted(set().union(*chosen(parts, names).values())), scratch)
        root, names = scratch, [file.path for file in files]
    else:
        root = Path(settings["path"]).expanduser()
        if not root.is_dir():
            raise FetchError(f"{root} is no folder: correct sources.*.path; it is read from where Snakemake runs")
        names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    raw = {}
    folder.mkdir(parents=True, exist_ok=True)
    for part, files in chosen(parts, names).items():
        header, columns = settings.get("header", ()), settings.get("columns", {})
        table = joined([read_table(root / name, scratch / CACHE, header) for name in files])
        table = renamed(table, columns, ", ".join(files))
        with atomic(folder / f"{part}.parquet") as path:
            _write(table, path, ", ".join(files))
        raw |= {name: file_digest(root / name) for name in files}
        print(f"{part}: {len(table)} rows, columns {', '.join(table.columns)}", flush=True)
    manifest = write_manifest(folder, {**settings, "raw_sha256": raw})
    shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def chosen(parts: dict[str, str], names: Iterable[str]) -> dict[str, list[str]]:
    """The files of every part, sorted; raises FetchError for a part that has none."""
    names = sorted(names)
    matches = {part: fnmatch.filter(names, pattern) for part, pattern in parts.items()}
    for part, files in matches.items():
        if not files:
            tables = ", ".join(name for name in names if kind_of(Path(name)) in TABLES)[:300]
            raise FetchError(f"files.{part}: no file matches {parts[part]}; there are: {tables or 'no tables'}")
    return matches


def read_table(path: Path, cache: Path, header: Sequence[str] = ()) -> pandas.DataFrame:
    """A published table: parquet, CSV, JSON lines, one JSON list, or plain text, also compressed by gzip (``.gz``).

    A list of texts has the column ``text``, and so has plain text, a row a paragraph. Rows carry their places
    (data/places.py). ``cache`` is where ``datasets`` keeps its copy. Raises FetchError when the file holds no table.
    """
    try:
        if path.suffix == ".parquet":
            table = _read_by_datasets(path, cache)
            return with_places(table, path.name, "row", range(1, len(table) + 1))
        rows = _rows(path, header)
    except RowError as error:
        raise FetchError(f"{path.name}: {error}") from None
    except (ValueError, OSError) as error:
        raise FetchError(
            f"{path.name} is no table ({' '.join(str(error).split())[:120]}): correct sources.*.files"
        ) from None
    table = pandas.DataFrame([{"text": row} if isinstance(row, str) else row for row in rows.values])
    return with_places(table, path.name, rows.unit, rows.numbers)


def _rows(path: Path, header: Sequence[str]) -> Rows:
    match kind_of(path):
        case ".csv":
            return csv_rows(path, header)
        case ".txt":
            return paragraphs(path)
    return json_rows(path)


def _write(table: pandas.DataFrame, path: Path, files: str) -> None:
    """Raises FetchError for a column that mixes types, or numbers too large, which parquet does not hold."""
    import pyarrow

    try:
        table.to_parquet(path, index=False)
    except (pyarrow.ArrowException, OverflowError) as error:
        check_types(table)
        reason = " ".join(str(error).split())[:160]
        raise FetchError(f"{files}: a column mixes numbers, texts or lists ({reason}): write it one way") from None


def _read_by_datasets(path: Path, cache: Path) -> pandas.DataFrame:
    """Raises ValueError or OSError when the parquet file is damaged."""
    from datasets import Dataset, disable_progress_bars
    from datasets.exceptions import DatasetGenerationError
    from datasets.utils import logging

    disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        # datasets expands wildcards in paths.
        return Dataset.from_parquet(glob.escape(str(path)), cache_dir=str(cache)).to_pandas()
    except DatasetGenerationError as error:
        raise ValueError(error.__cause__ or error) from None
