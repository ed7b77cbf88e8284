"""The cells of a batched job: each is finished and kept on its own, even when another one fails.

Snakemake removes every output of a job that fails. So a cell's files are written into a scratch folder first, under
a key of all that they depend on; when every cell of the job is finished they appear as outputs at once. A job that
starts again, or gets a further seed, takes over the cells whose key is still the same: they would come out with the
same bits.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.runtime.artefacts import seed_of
from unlearning_robustness.runtime.manifest import MANIFEST, digest_of, file_digest, link_or_copy, read_json, write_json

KEY = "key.json"
Files = dict[str, Path]


def pending_cells(snakemake) -> Iterator[tuple[int, Cell, Files]]:
    """(index, cell, files to write) of each seed in ``params.seeds`` that is not finished; outputs appear at the end.

    Outputs and inputs that differ between seeds are lists in the order of ``params.seeds``. The files of one cell lie
    in one folder, where unfinished work may be kept beside them and is found again.
    """
    wildcards, ready = snakemake.wildcards, []
    for index, seed in enumerate(snakemake.params.seeds):
        cell = Cell(wildcards.model, wildcards.benchmark, wildcards.method, wildcards.defence, seed)
        folder = Path(snakemake.params.scratch) / f"seed{seed}"
        targets = {name: Path(paths[index]) for name, paths in snakemake.output.items()}
        files = {name: folder / target.name for name, target in targets.items()}
        key = key_of(snakemake, seed)
        if _state(folder) == {"key": key, "finished": True, "files": _digests(files)}:
            print(f"seed {seed}: finished before, kept", flush=True)
        else:
            _begin(folder, key)
            yield index, cell, files
            write_json(folder / KEY, {"key": key, "finished": True, "files": _digests(files)})
        ready.append((files, targets))
    for files, targets in ready:
        for name, target in targets.items():
            link_or_copy(files[name], target)


def key_of(snakemake, seed: int) -> str:
    """Digest of the rule, its settings, and the inputs of this seed by path, size and time."""
    own = [path for path in map(str, snakemake.input) if seed_of(path) in (None, seed)]
    stated = []
    for path in own:
        file = Path(path) / MANIFEST if Path(path).is_dir() else Path(path)
        stated.append((path, file.stat().st_size, file.stat().st_mtime_ns))
    settings = {name: value for name, value in snakemake.params.items() if name != "seeds"}
    wildcards = dict(snakemake.wildcards.items())
    return digest_of({"rule": snakemake.rule, "settings": settings, "wildcards": wildcards, "inputs": stated})


def _digests(files: Files) -> dict[str, str | None]:
    """A kept file that was altered is not taken over: it is one with the output that a person deletes for it."""
    return {name: file_digest(path) if path.is_file() else None for name, path in files.items()}


def _state(folder: Path) -> dict | None:
    try:
        return read_json(folder / KEY)
    except (FileNotFoundError, ValueError):
        return None


def _begin(folder: Path, key: str) -> None:
    """Empty the folder, unless it holds an unfinished cell of the same key."""
    if _state(folder) != {"key": key, "finished": False}:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(folder / KEY, {"key": key, "finished": False})
