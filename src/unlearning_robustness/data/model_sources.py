"""The three sources of a model: a Python package, the hub, a folder of one's own."""

import shutil
from pathlib import Path

from unlearning_robustness.data import packaged_model
from unlearning_robustness.data.hub import Repository, fetch_files
from unlearning_robustness.data.model_folder import (
    check_loadable,
    needed_files,
    tokenizer_files,
    weight_files,
    write_manifest,
)
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import link_or_copy


def fetch(settings: dict, folder: Path, scratch: Path) -> dict:
    """Make the model folder of a config entry, which has ``package``, ``hub`` or ``path``; returns its manifest.

    ``scratch`` keeps what was downloaded when fetching fails. Raises FetchError, one line that says what to do.
    """
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
    return _model_folder(scratch, [file.path for file in files], folder, settings, scratch)


def _from_folder(settings: dict, folder: Path) -> dict:
    source = Path(settings["path"]).expanduser()
    if not source.is_dir():
        raise FetchError(f"{source} is no folder: correct models.*.path; it is read from where Snakemake runs")
    names = needed_files(path.name for path in source.iterdir() if path.is_file())
    return _model_folder(source, names, folder, settings)


def _model_folder(source: Path, names: list[str], folder: Path, settings: dict, scratch: Path | None = None) -> dict:
    """Link the named files into the model folder, check them and write the manifest; then scratch is not needed."""
    for name in names:
        link_or_copy(source / name, folder / name)
    check_loadable(folder)
    manifest = write_manifest(folder, settings)
    print(f"{len(names)} files, {sum(file['bytes'] for file in manifest['files'].values()) / 1e9:.2f} GB", flush=True)
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest
