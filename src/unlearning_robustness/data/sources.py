"""Data sets as they are published: each named part becomes one parquet file, from pinned files of the hub or a folder.

Parquet and CSV are read by ``datasets``; JSON by own code, as ``datasets`` turns a column of dates into timestamps.
"""

import fnmatch
import glob
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas

from unlearning_robustness.data.file_rows import RowError, json_rows, paragraphs
from unlearning_robustness.data.hub import Repository, fetch_files
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import atomic, file_digest

CACHE = ".datasets"


def fetch(settings: dict, folder: Path, scratch: Path) -> dict:
    """Write ``{part}.parquet`` for every part of a source's ``files`` into ``folder``; returns the folder's manifest.

    ``files`` maps a part to a path in the repository or folder, in which ``*`` stands for anything; files of one part
    are joined in the order of their names. ``scratch`` holds downloads and the cache of ``datasets`` until all parts
    are written. Raises FetchError, one line that says what to do.
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
        table = pandas.concat([read_table(root / name, scratch / CACHE) for name in files], ignore_index=True)
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
            tables = ", ".join(name for name in names if name.endswith((".parquet", ".json", ".jsonl", ".csv")))[:300]
            raise FetchError(f"files.{part}: no file matches {parts[part]}; there are: {tables or 'no tables'}")
    return matches


def read_table(path: Path, cache: Path) -> pandas.DataFrame:
    """A published table: parquet, CSV, JSON lines, one JSON list, or plain text.

    A list of texts has the column ``text``, and so has plain text, a row a paragraph.

    ``cache`` is where ``datasets`` keeps its copy. Raises FetchError when the file does not hold a table.
    """
    try:
        if path.suffix in (".parquet", ".csv"):
            return _read_by_datasets(path, cache)
        rows = paragraphs(path) if path.suffix == ".txt" else json_rows(path)
    except RowError as error:
        raise FetchError(f"{path.name}: {error}") from None
    except (ValueError, OSError) as error:
        raise FetchError(
            f"{path.name} is no table ({' '.join(str(error).split())[:120]}): correct sources.*.files"
        ) from None
    return pandas.DataFrame([{"text": row} if isinstance(row, str) else row for row in rows])


def _write(table: pandas.DataFrame, path: Path, files: str) -> None:
    """Raises FetchError for a column that mixes types, which parquet does not hold."""
    import pyarrow

    try:
        table.to_parquet(path, index=False)
    except pyarrow.ArrowException as error:
        reason = " ".join(str(error).split())[:160]
        raise FetchError(f"{files}: a column mixes numbers, texts or lists ({reason}): write it one way") from None


def _read_by_datasets(path: Path, cache: Path) -> pandas.DataFrame:
    """Raises ValueError or OSError when the file is damaged."""
    from datasets import Dataset, disable_progress_bars
    from datasets.exceptions import DatasetGenerationError
    from datasets.utils import logging

    disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    read = {".parquet": Dataset.from_parquet, ".csv": Dataset.from_csv}[path.suffix]
    try:
        # datasets expands wildcards in paths.
        return read(glob.escape(str(path)), cache_dir=str(cache)).to_pandas()
    except DatasetGenerationError as error:
        raise ValueError(error.__cause__ or error) from None
