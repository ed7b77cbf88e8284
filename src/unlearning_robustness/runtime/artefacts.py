"""Artefacts: every file that a job writes carries a seal, and every job checks the seals of what it reads.

The seal of ``records.parquet`` is the file ``.records.parquet.seal`` beside it. It says what the artefact is (where it
belongs below a study's results), which rule wrote it, from which settings and inputs, and its size and sha256. An
artefact that was truncated, altered, exchanged for another cell's or put there by hand is thus never read as data.

Folders (models, data sets) have a manifest with the digests of their files, which stands for them; weights are checked
where they are loaded (``models.loading.verify``).
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from unlearning_robustness.errors import ArtefactError
from unlearning_robustness.runtime.manifest import MANIFEST, digest_of, file_digest, write_json

# Parameters of a rule that say how its jobs are cut and where they keep unfinished work, not what they compute.
MECHANICAL = ("seeds", "scratch", "code")


def seal_of(path: str | Path) -> Path:
    """Where the seal of an artefact lies; that of a folder is its manifest's."""
    path = Path(path)
    path = path / MANIFEST if path.is_dir() else path
    return path.with_name(f".{path.name}.seal")


def seal(path: str | Path, name: str, **written: object) -> None:
    """Seal an artefact that belongs at ``name``, the end of its path; ``written`` says how it came about."""
    path = Path(path)
    stated = {"artefact": name, "bytes": path.stat().st_size, "sha256": file_digest(path)}
    write_json(seal_of(path), {**written, **stated})


def seal_state(path: str | Path) -> None:
    """Seal the state of unfinished work, each time it was saved."""
    seal(path, Path(path).name)


def is_whole(path: str | Path) -> bool:
    """Whether there is a state to go on from; one that is not as it was sealed is removed, and work begins anew."""
    if not Path(path).is_file():
        return False
    try:
        check(path)
    except ArtefactError:
        print(f"{path} is not as it was saved: it is removed, and the work begins anew", flush=True)
        Path(path).unlink(missing_ok=True)
        return False
    return True


def check(path: str | Path) -> str:
    """The digest of an artefact that is what its seal says.

    Raises ArtefactError, one line that names the file, what is wrong with it and the mend.
    """
    path = Path(path)
    return _check_folder(path) if path.is_dir() else _check_file(path, f"delete {path} and run again")


def _check_file(path: Path, mend: str) -> str:
    if not path.is_file():
        raise ArtefactError(f"{path} is missing: run again")
    if not seal_of(path).is_file():
        raise ArtefactError(f"{path} has no seal, so no job of this version wrote it: {mend}, or see docs/artefacts.md")
    try:
        sealed = json.loads(seal_of(path).read_bytes())
        name, size, digest = sealed["artefact"], sealed["bytes"], sealed["sha256"]
    except (ValueError, TypeError, KeyError):
        raise ArtefactError(f"{seal_of(path)} is damaged: {mend}") from None
    if not f"/{path.as_posix()}".endswith(f"/{name}"):
        raise ArtefactError(f"{path} is another artefact, {name}: {mend}")
    if path.stat().st_size != size:
        raise ArtefactError(f"{path} has {path.stat().st_size} bytes instead of {size}: {mend}")
    if file_digest(path) != digest:
        raise ArtefactError(f"{path} has changed since it was written: {mend}")
    return digest


def _check_folder(folder: Path) -> str:
    mend = f"delete the folder {folder} and run again"
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files, digest = manifest["files"], manifest["digest"]
    except FileNotFoundError:
        raise ArtefactError(f"{folder / MANIFEST} is missing: {mend}") from None
    except (ValueError, TypeError, KeyError):
        raise ArtefactError(f"{folder / MANIFEST} is damaged: {mend}") from None
    if digest_of(files) != digest:
        raise ArtefactError(f"{folder / MANIFEST} is damaged: {mend}")
    if seal_of(folder).is_file():
        _check_file(folder / MANIFEST, mend)
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ArtefactError(f"{path} is missing: {mend}")
        if path.stat().st_size != expected["bytes"]:
            raise ArtefactError(f"{path} has {path.stat().st_size} bytes instead of {expected['bytes']}: {mend}")
        if path.suffix != ".safetensors" and file_digest(path) != expected["sha256"]:
            raise ArtefactError(f"{path} has changed since it was written: {mend}")
    return digest


def check_inputs(paths: Iterable[str | Path], source: Path) -> dict[str, str]:
    """Check all inputs of a job; returns their digests by path.

    What lies in ``source``, texts of this repository that rules read, was written by no job.
    """
    own = [Path(path) for path in paths if source not in Path(path).absolute().parents]
    return {str(path): check(path) for path in dict.fromkeys(own)}


def seal_outputs(snakemake, inputs: Mapping[str, str]) -> None:
    """Seal all files that a job has written, from ``inputs`` with these digests."""
    settings = {key: value for key, value in snakemake.params.items() if key not in MECHANICAL}
    wildcards = dict(snakemake.wildcards.items())
    for path in map(Path, snakemake.output):
        path = path / MANIFEST if path.is_dir() else path
        if path.is_file():
            read = {of: digest for of, digest in inputs.items() if seed_of(of) in (None, seed_of(path))}
            seal(
                path,
                name_of(path, wildcards),
                rule=snakemake.rule,
                settings=digest_of(settings),
                code=snakemake.params.get("code"),
                inputs=digest_of(sorted(read.values())),
            )


def name_of(path: str | Path, wildcards: Mapping[str, str]) -> str:
    """The end of a path that says what lies there, from the folder before the first wildcard, wherever results lie."""
    parts = Path(path).parts
    first, values = len(parts) - 1, {str(value) for value in wildcards.values()}
    while first > 1 and not values <= {word for part in parts[first:] for word in (part, *_words(part))}:
        first -= 1
    return "/".join(parts[first - 1 :] if first else parts)


def _words(part: str) -> tuple[str, str]:
    word = part.rsplit(".", 1)[0]
    return word, word.removeprefix("seed")


def seed_of(path: str | Path) -> int | None:
    """The seed of the cell that a path belongs to, None for what all seeds share."""
    match = re.search(r"/seed(\d+)[/.]", str(path))
    return int(match[1]) if match else None
