"""Manifests record where an artefact came from; files appear by rename, the manifest last."""

import hashlib
import json
import os
import platform
import resource
import shutil
import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The manifest of a folder: of a model, of a data set.
MANIFEST = "manifest.json"
PACKAGES = ("torch", "transformers", "numpy", "pandas", "safetensors")


def digest_of(value) -> str:
    """sha256 of the canonical JSON of a value: key order does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def atomic(path: str | Path):
    """Yield a temporary path beside ``path``; it becomes ``path`` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the file ``source``: a hard link where the file system allows it, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def write_json(path: str | Path, value) -> None:
    """Write JSON atomically, keys sorted."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def read_json(path: str | Path):
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


class Provenance:
    """Collects the facts of a manifest, from a job's first line, or from where it turns to another artefact."""

    def __init__(self, **facts):
        self.facts = facts
        self.begin()

    def begin(self) -> None:
        """Restart the count of wall and CPU seconds."""
        self.started, self.cpu_started = time.monotonic(), time.process_time()

    def write(self, path: str | Path, **facts) -> None:
        """Write the manifest: facts, versions, device, wall seconds, cpu seconds, peak memory."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        machine = {
            "versions": {name: _version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "machine": platform.machine(),
            "wall_seconds": round(time.monotonic() - self.started, 3),
            "cpu_seconds": round(time.process_time() - self.cpu_started, 3),
            "peak_memory_mb": round(usage.ru_maxrss / 1024, 1),
            "peak_gpu_memory_mb": _peak_gpu_memory(),
        }
        write_json(path, {**self.facts, **facts, **machine})


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _peak_gpu_memory() -> float | None:
    import sys

    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 2**20, 1)
