"""Pinned files of the Hugging Face hub, each checked against the size and digest that the hub lists.

The hub's client resumes a broken transfer; whole files are never downloaded twice, even after a failed run. A snapshot
in the client's cache is used without asking the hub for its files again.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from unlearning_robustness.data.hub_errors import answer_of, explain, transient
from unlearning_robustness.data.secure import only_secure, refuse_insecure
from unlearning_robustness.errors import FetchError, without_secrets
from unlearning_robustness.runtime.manifest import file_digest, link_or_copy

TRIES = 3
HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Repository:
    """A repository at one commit; ``kind`` is model or dataset. Without an endpoint it is on huggingface.co."""

    name: str
    revision: str
    kind: str = "model"
    token_required: bool = False
    endpoint: str | None = None

    @classmethod
    def of(cls, hub: dict, kind: str) -> "Repository":
        """The repository that a ``hub`` entry of the configuration names, on the hub that HF_ENDPOINT names."""
        endpoint = os.environ.get("HF_ENDPOINT")
        return cls(hub["repository"], hub["revision"], kind, hub.get("token_required", False), endpoint)

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"{self.host}/{'datasets/' if self.kind == 'dataset' else ''}{self.name}"

    @property
    def gated(self) -> str:
        """The message for a person who has no token."""
        return f"{self.name} is gated: accept its terms on {self.page}, then set HF_TOKEN to your token"

    @property
    def host(self) -> str:
        """The address of its hub."""
        from huggingface_hub import constants

        return without_secrets((self.endpoint or constants.ENDPOINT).rstrip("/"))

    def secured(self) -> "Repository":
        """Itself, when its client asks nobody without https any more. Raises FetchError where its hub has none."""
        refuse_insecure(self.host)
        only_secure()
        return self


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it: bytes and sha256, or for a small file that is not in LFS git's blob id."""

    path: str
    bytes: int
    sha256: str | None
    blob: str

    def problem(self, path: Path) -> str | None:
        """The fault of a local copy in words, or None."""
        if not path.is_file():
            return "is missing"
        if path.stat().st_size != self.bytes:
            return f"has {path.stat().st_size} bytes instead of {self.bytes}"
        digest = file_digest(path) if self.sha256 else git_blob(path)
        return None if digest == (self.sha256 or self.blob) else "does not have the digest that the hub gives"


def git_blob(path: Path) -> str:
    """The id that git gives to a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def online() -> None:
    """Undo the workflow's offline mode for a job that downloads; call it before the hub's client is imported.

    Compute jobs run offline. A person's own HF_HUB_OFFLINE=1 stays: then only the client's cache is read. With a mirror
    the content comes from it too: the client's Xet transfer would ask other hosts for it.
    """
    os.environ["HF_HUB_OFFLINE"] = os.environ.get("HF_HUB_OFFLINE_ASKED", "0")
    if os.environ.get("HF_ENDPOINT", HUB).rstrip("/") != HUB:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def fetch_files(repository: Repository, choose: Callable[[Iterable[str]], list[str]], folder: Path) -> list[RemoteFile]:
    """Fetch the repository's files that ``choose`` selects into ``folder``, under their own paths.

    Raises FetchError, one line that says what to do, when one cannot be had, or is not what the hub says it is.
    """
    from huggingface_hub.utils import disable_progress_bars, get_token

    disable_progress_bars()
    listing = list_files(repository)
    files = [listing[name] for name in choose(listing)]
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if file.problem(folder / file.path)]
    missing = [file for file in missing if not _from_cache(repository, file, folder)]
    if missing and repository.token_required and not get_token():
        raise FetchError(repository.gated)
    _check_disk(sum(file.bytes for file in missing), folder, repository.name)
    for number, file in enumerate(missing, 1):
        print(f"{repository.name}: {file.path}, {file.bytes / 1e6:.1f} MB ({number} of {len(missing)})", flush=True)
        _download(repository, file, folder)
    return files


def list_files(repository: Repository) -> dict[str, RemoteFile]:
    """Path to file of everything at the pinned commit; of the cached snapshot when the hub cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    repository.secured()
    try:
        tree = HfApi(endpoint=repository.endpoint).list_repo_tree(
            repository.name, recursive=True, revision=repository.revision, repo_type=repository.kind
        )
        files = [entry for entry in tree if isinstance(entry, RepoFile)]
    except Exception as error:
        cached = None if answer_of(error) else _cached_snapshot(repository)
        if cached is None:
            raise explain(error, repository) from error
        print(f"{repository.name}: {repository.host} cannot be reached; its snapshot in the cache is used", flush=True)
        return cached
    return {
        file.path: RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in files
        # A listing is written by others: no path may lead out of the folder.
        if not ({"..", ""} & set(file.path.split("/")))
    }


def _cached_snapshot(repository: Repository) -> dict[str, RemoteFile] | None:
    """The files of the client's cache at the pinned commit; there a file's blob is named by its digest."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    name = repo_folder_name(repo_id=repository.name, repo_type=repository.kind)
    snapshot = Path(constants.HF_HUB_CACHE) / name / "snapshots" / repository.revision
    files = {}
    for path in sorted(snapshot.rglob("*")) if snapshot.is_dir() else []:
        if path.is_file():
            digest, relative = path.resolve().name, path.relative_to(snapshot).as_posix()
            sha256 = digest if len(digest) == 64 else None
            files[relative] = RemoteFile(relative, path.stat().st_size, sha256, digest)
    return files or None


def _from_cache(repository: Repository, file: RemoteFile, folder: Path) -> bool:
    """Link a whole file from the client's cache, if it is there; returns whether it was."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repository.name, file.path, revision=repository.revision, repo_type=repository.kind)
    if not isinstance(cached, str) or file.problem(Path(cached)):
        return False
    link_or_copy(Path(cached), folder / file.path)
    return True


def _check_disk(needed: int, folder: Path, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{name} needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free: "
            "free some, or make resources a link to a larger disk"
        )


def _download(repository: Repository, file: RemoteFile, folder: Path) -> None:
    """Download one file, with a few retries where these may help; a wrong file is removed."""
    from huggingface_hub import hf_hub_download

    for attempt in range(1, TRIES + 1):
        (folder / file.path).unlink(missing_ok=True)
        try:
            hf_hub_download(
                repository.name,
                file.path,
                revision=repository.revision,
                repo_type=repository.kind,
                local_dir=folder,
                endpoint=repository.endpoint,
            )
            problem = file.problem(folder / file.path)
            if problem is None:
                return
            error = FetchError(
                f"{repository.name}: {file.path} {problem} after {TRIES} tries: run again later, or try another "
                f"HF_ENDPOINT; something between here and {repository.host} alters or cuts files"
            )
        except Exception as raised:
            error = explain(raised, repository, file.path)
            if not transient(raised):
                break
        if attempt < TRIES:
            print(f"{file.path}: try {attempt} of {TRIES} failed ({error})", flush=True)
            time.sleep(2**attempt)
    (folder / file.path).unlink(missing_ok=True)
    raise error
