"""Data sets as they are published: named parts, each one parquet file, made of pinned files of the hub."""

import fnmatch
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas

from unlearning_robustness.data.hub import Repository, fetch_files
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import atomic, file_digest


def fetch(settings: dict, folder: Path, scratch: Path) -> dict:
    """Make the folder of a source: ``{part}.parquet`` for every part of its ``files``; returns its manifest.

    ``files`` maps a part to a path in the repository or folder, in which ``*`` stands for anything; files of one part
    are joined in the order of their names. Raises FetchError, one line that says what to do.
    """
    parts = settings["files"]
    if "hub" in settings:
        repository = Repository.of(settings["hub"], "dataset")
        wanted = fetch_files(repository, lambda names: sorted(set().union(*chosen(parts, names).values())), scratch)
        root, names = scratch, [file.path for file in wanted]
    else:
        root = Path(settings["path"]).expanduser()
        if not root.is_dir():
            raise FetchError(f"{root} is no folder: correct sources.*.path; it is read from where Snakemake runs")
        names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    raw = {}
    folder.mkdir(parents=True, exist_ok=True)
    for part, found in chosen(parts, names).items():
        table = pandas.concat([read_table(root / name) for name in found], ignore_index=True)
        with atomic(folder / f"{part}.parquet") as path:
            table.to_parquet(path, index=False)
        raw |= {name: file_digest(root / name) for name in found}
        print(f"{part}: {len(table)} rows, columns {', '.join(table.columns)}", flush=True)
    manifest = write_manifest(folder, {**settings, "raw_sha256": raw})
    if root == scratch:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def chosen(parts: dict[str, str], names: Iterable[str]) -> dict[str, list[str]]:
    """The files of every part, sorted; raises FetchError for a part that has none."""
    names = sorted(names)
    found = {part: fnmatch.filter(names, pattern) for part, pattern in parts.items()}
    for part, files in found.items():
        if not files:
            told = ", ".join(name for name in names if name.endswith((".parquet", ".json", ".jsonl", ".csv")))[:300]
            raise FetchError(f"files.{part}: nothing is called {parts[part]}; there are: {told or 'no tables'}")
    return found


def read_table(path: Path) -> pandas.DataFrame:
    """A published table: parquet, csv, JSON lines, or one JSON list; a list of texts has the column ``text``.

    Raises FetchError when the file does not hold a table.
    """
    try:
        if path.suffix == ".parquet":
            return pandas.read_parquet(path)
        if path.suffix == ".csv":
            return pandas.read_csv(path)
        rows = _json_rows(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FetchError(f"{path.name} is no table ({' '.join(str(error).split())[:120]}): correct files") from None
    return pandas.DataFrame([{"text": row} if isinstance(row, str) else row for row in rows])


def _json_rows(text: str) -> list:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return rows if isinstance(rows, list) else [rows]
