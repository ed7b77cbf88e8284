"""May the licences' files be read? Asked before a study's first job, so that none of its downloads is in vain."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearning_robustness.data.adapters import adapter_files
from unlearning_robustness.data.hub import Repository, list_files, online
from unlearning_robustness.data.hub_errors import explain
from unlearning_robustness.data.model_folder import needed_files
from unlearning_robustness.data.sources import chosen
from unlearning_robustness.errors import FetchError

# What the scripts fetch: a kind of repository, and the parameter with its config entry.
FETCHED = {"fetch_model": ("model", "model"), "fetch_source": ("dataset", "source")}


def fetched_entries(jobs: Iterable) -> list[tuple[str, dict]]:
    """(kind, config entry) of what Snakemake's ``jobs`` fetch; scripts are called alike in every importing workflow."""
    scripts = [(job, Path(str(job.rule.script)).stem) for job in jobs if job.rule.script]
    named = [(job, *FETCHED[script]) for job, script in scripts if script in FETCHED]
    return [(kind, job.params[parameter]) for job, kind, parameter in named]


def check_access(entries: Iterable[tuple[str, dict]]) -> None:
    """Raise FetchError, one line with the page where to accept the terms, for the first entry that is not granted.

    ``entries`` are (kind, config entry), kind "model" or "dataset"; only those that need a token are asked about.
    """
    asked = [(kind, entry) for kind, entry in entries if entry.get("hub", {}).get("token_required")]
    with asking_the_hub():
        for kind, entry in asked:
            _check(Repository.of(entry["hub"], kind), entry)


@contextmanager
def asking_the_hub() -> Iterator[None]:
    """Inside the block the hub may be asked; jobs start offline afterwards."""
    before = os.environ.get("HF_HUB_OFFLINE", "0")
    online()
    try:
        yield
    finally:
        os.environ["HF_HUB_OFFLINE"] = before


def _check(repository: Repository, entry: dict) -> None:
    """Ask for the head of the smallest file that would be fetched, unless the client's cache has them all."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.utils import get_token

    name, revision, kind = repository.name, repository.revision, repository.kind
    listing = list_files(repository)
    if kind == "model":
        names = (adapter_files if "base" in entry else needed_files)(listing)
    else:
        names = sorted(set().union(*chosen(entry["files"], listing).values()))
    cached = (try_to_load_from_cache(name, file, revision=revision, repo_type=kind) for file in names)
    if all(isinstance(path, str) for path in cached):
        return
    if not get_token():
        raise FetchError(repository.gated)
    smallest = min(names, key=lambda file: listing[file].bytes)
    url = hf_hub_url(name, smallest, revision=revision, repo_type=kind, endpoint=repository.endpoint)
    try:
        get_hf_file_metadata(url, endpoint=repository.endpoint)
    except Exception as error:
        raise explain(error, repository) from error
