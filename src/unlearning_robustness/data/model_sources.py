"""The three sources of a model: a Python package, the hub, a folder of one's own."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from unlearning_robustness.data import packaged_model
from unlearning_robustness.data.adapters import adapter_files, merge
from unlearning_robustness.data.hub import Repository, fetch_files
from unlearning_robustness.data.model_checks import check_model
from unlearning_robustness.data.model_folder import needed_files, tokenizer_files, weight_files, write_manifest
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import link_or_copy


def fetch(settings: dict, folder: Path, scratch: Path, base: Path | None = None) -> dict:
    """Make the model folder of a config entry, which has ``package``, ``hub`` or ``path``; returns its manifest.

    With the folder of a ``base`` the entry is an adapter, which is merged onto that model. ``scratch`` keeps what was
    downloaded when fetching fails. Raises FetchError or ModelFileError, one line that says what to do, when it cannot
    be had or is not sound (``model_checks``).
    """
    try:
        brought = _merge(settings, base, folder, scratch) if base else _bring(settings, folder, scratch)
        facts = brought | check_model(folder)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    manifest = write_manifest(folder, facts)
    megabytes = sum(file["bytes"] for file in manifest["files"].values()) / 1e6
    print(f"{len(manifest['files'])} files, {megabytes:.0f} MB", flush=True)
    if "hub" in settings or base:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _merge(settings: dict, base: Path, folder: Path, scratch: Path) -> dict:
    """Make the files of a model from an adapter at the hub or in a folder."""
    if "hub" in settings:
        fetch_files(Repository.of(settings["hub"], "model"), adapter_files, scratch)
    else:
        _link(source := _folder(settings), adapter_files(_names(source)), scratch)
    return settings | merge(scratch, base, folder)


def _bring(settings: dict, folder: Path, scratch: Path) -> dict:
    """Make the folder's files, not checked yet; returns the facts of its manifest."""
    if "package" in settings:
        return packaged_model.fetch(settings, folder, scratch)
    if "hub" in settings:
        return _from_hub(settings, folder, scratch)
    return _from_folder(settings, folder)


def _from_hub(settings: dict, folder: Path, scratch: Path) -> dict:
    """A model whose repository has no tokenizer, as MUSE's have none, takes another repository's."""
    repository = Repository.of(settings["hub"], "model")
    files = fetch_files(repository, weight_files if "tokenizer" in settings else needed_files, scratch)
    if "tokenizer" in settings:
        files += fetch_files(Repository.of(settings["tokenizer"], "model"), tokenizer_files, scratch)
    _link(scratch, (file.path for file in files), folder)
    return settings


def _from_folder(settings: dict, folder: Path) -> dict:
    source = _folder(settings)
    _link(source, needed_files(_names(source)), folder)
    return settings


def _folder(settings: dict) -> Path:
    source = Path(settings["path"]).expanduser()
    if not source.is_dir():
        raise FetchError(f"{source} is no folder: correct models.*.path; it is read from where Snakemake runs")
    return source


def _names(source: Path) -> list[str]:
    return [path.name for path in source.iterdir() if path.is_file()]


def _link(source: Path, names: Iterable[str], folder: Path) -> None:
    for name in names:
        link_or_copy(source / name, folder / name)
