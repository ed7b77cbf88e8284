"""A study's records and manifests in two Parquet files, small enough for a repository; and back.

``records.parquet`` has every answer once, with the file that it is of. Log-likelihoods are rounded to ``STEP`` nats,
and what follows from them is left out: the means a token and a byte, and the entropy. ``files.parquet`` has every other
file as it is, and ``manifest.json`` the digests of both. Predictions are kept, so accuracies come out the same; the
right choice's probability moves by less than ``STEP``.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
import pandas
import pyarrow
from pyarrow import compute, parquet

from unlearning_robustness.errors import DataError, StudyError
from unlearning_robustness.runtime.artefacts import seal
from unlearning_robustness.runtime.manifest import MANIFEST, atomic, file_digest, read_json, write_json
from unlearning_robustness.scoring.decision import BYTE_MEAN, divisors
from unlearning_robustness.scoring.records import COLUMNS

# A thousandth of a nat, and a power of two, so that the digits behind it are zero and compress to nothing.
STEP = 2.0**-10
RECORDS, FILES = "records.parquet", "files.parquet"
SCORES, FILE, TOKENS = "log_likelihoods", "file", "choice_tokens"
DERIVED = ("token_means", "byte_means", "entropy")
ROWS = 1_000_000  # of a row group: whatever repeats within one is stored once
COMPRESSION = {"compression": "zstd", "compression_level": 19, "row_group_size": ROWS}


def pack(paths: Iterable[str | Path], root: Path, folder: Path, **facts: object) -> None:
    """Write the files ``paths`` below ``root`` into ``folder``; the manifest takes ``facts`` too."""
    paths = sorted({Path(path) for path in paths})
    recorded = [path for path in paths if _is_recorded(path)]
    others = [path for path in paths if path not in set(recorded)]
    _write(folder / RECORDS, pyarrow.concat_tables([_compact(path, root) for path in recorded]).unify_dictionaries())
    names = [path.relative_to(root).as_posix() for path in others]
    _write(folder / FILES, pyarrow.table({FILE: names, "content": [path.read_bytes() for path in others]}))
    digests = {name: file_digest(folder / name) for name in (RECORDS, FILES)}
    write_json(folder / MANIFEST, {**facts, "step": STEP, "files": len(paths), "sha256": digests})


def unpack(folder: Path, root: Path) -> list[Path]:
    """Write every file back below ``root``; returns their paths.

    Raises DataError where the folder is incomplete or has changed, or a file is there already.
    """
    _check(folder)
    contents, tables = dict(_others(folder)), dict(_records(folder))
    paths = [root / name for name in (*contents, *tables)]
    if there := [path for path in paths if path.exists()]:
        raise DataError(f"{there[0]} is there already: take a folder without results, or remove them")
    for name, content in contents.items():
        with atomic(root / name) as path:
            path.write_bytes(content)
    for name, table in tables.items():
        with atomic(root / name) as path:
            table.to_parquet(path, index=False, compression="zstd")
    for path in paths:
        seal(path, path.relative_to(root).as_posix(), rule="published")
    return paths


def _is_recorded(path: Path) -> bool:
    return path.suffix == ".parquet" and set(COLUMNS) <= set(parquet.read_schema(path).names)


def _compact(path: Path, root: Path) -> pyarrow.Table:
    """The rows of a file of records, without what follows from the rest, texts as dictionaries."""
    frame = parquet.read_table(path)
    scores, means = (frame[name].combine_chunks() for name in (SCORES, "token_means"))
    sums, mean = (numpy.asarray(column.flatten(), dtype=float) for column in (scores, means))
    tokens = numpy.rint(numpy.divide(sums, mean, out=numpy.ones_like(sums), where=mean != 0)).astype("int16")
    rounded = (numpy.rint(sums / STEP) * STEP).astype("float32")
    frame = frame.drop_columns(DERIVED).set_column(
        frame.schema.get_field_index(SCORES), SCORES, _lists(rounded, scores.offsets)
    )
    frame = frame.append_column(TOKENS, _lists(tokens, scores.offsets))
    name = pyarrow.array([path.relative_to(root).as_posix()]).dictionary_encode()
    frame = frame.append_column(FILE, pyarrow.DictionaryArray.from_arrays([0] * len(frame), name.dictionary))
    for index, field in enumerate(frame.schema):
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type):
            text = compute.cast(frame[field.name], pyarrow.string()).combine_chunks().dictionary_encode()
            frame = frame.set_column(index, field.name, text)
    return frame.replace_schema_metadata(None)


def _lists(values: numpy.ndarray, offsets: pyarrow.Array) -> pyarrow.Array:
    start = offsets[0].as_py()
    return pyarrow.ListArray.from_arrays(compute.subtract(offsets, start).cast(pyarrow.int32()), values)


def _write(path: Path, table: pyarrow.Table) -> None:
    with atomic(path) as temporary:
        parquet.write_table(table, temporary, **COMPRESSION)


def _check(folder: Path) -> None:
    try:
        digests = read_json(folder / MANIFEST)["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder} holds no published records: {MANIFEST} is missing or damaged") from None
    for name in (RECORDS, FILES):
        path = folder / name
        if not path.is_file() or file_digest(path) != digests.get(name):
            raise DataError(
                f"{path} is missing or has changed since it was published: take it from the repository again"
            )


def _others(folder: Path) -> Iterator[tuple[str, bytes]]:
    table = parquet.read_table(folder / FILES)
    yield from zip(table[FILE].to_pylist(), table["content"].to_pylist(), strict=True)


def _records(folder: Path) -> Iterator[tuple[str, pandas.DataFrame]]:
    """(path, records) of every file of answers, with the columns that follow from the others."""
    frame = parquet.read_table(folder / RECORDS).to_pandas()
    for name, rows in frame.groupby(FILE, sort=False, observed=True):
        yield str(name), _restored(rows.drop(columns=FILE).reset_index(drop=True))


def _restored(rows: pandas.DataFrame) -> pandas.DataFrame:
    texts = rows.select_dtypes("category").columns
    rows = rows.astype(dict.fromkeys(texts, object))
    scores = [numpy.asarray(each, dtype="float32") for each in rows[SCORES]]
    byte_counts = [divisors(BYTE_MEAN, list(choices), []) for choices in rows["choices"]]
    rows = rows.assign(
        token_means=[score / count for score, count in zip(scores, map(_float, rows[TOKENS]), strict=True)],
        byte_means=[score / count for score, count in zip(scores, map(_float, byte_counts), strict=True)],
        entropy=numpy.array([_entropy(score) for score in scores], dtype="float32"),
    )
    return rows[list(COLUMNS)]


def _float(counts) -> numpy.ndarray:
    return numpy.asarray(counts, dtype="float32")


def _entropy(scores: numpy.ndarray) -> float:
    shifted = scores.astype(float) - scores.max()
    logs = shifted - numpy.log(numpy.exp(shifted).sum())
    return float(-(numpy.exp(logs) * logs).sum())


def main(arguments: list[str]) -> int:
    """Unpack published records below a results folder, from the command line."""
    parser = argparse.ArgumentParser(prog="publication", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="a folder of results/published")
    parser.add_argument("results", type=Path, help="the study's results folder, without records")
    given = parser.parse_args(arguments)
    try:
        paths = unpack(given.folder, given.results)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(paths)} files are in {given.results}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
