"""Where an audited model lies, as a person says it: a folder, ``owner/name`` or ``owner/name@revision`` of the hub."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from unlearning_robustness.config.cells import NONE, REFERENCE, RETRAINED
from unlearning_robustness.config.sources import COMMIT
from unlearning_robustness.data.adapters import is_adapter
from unlearning_robustness.data.hub import Repository, list_files
from unlearning_robustness.data.hub_errors import explain
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.models.config_json import contents_of, sizes_in
from unlearning_robustness.workflow.architectures import said_by
from unlearning_robustness.workflow.licences import asking_the_hub

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
# Keys of a config.json that decide the shapes of tensors.
SIZES = (
    "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads", "vocab_size",
    "head_dim", "tie_word_embeddings",
)  # fmt: skip
# What readers must know of a model that nobody described.
UNDESCRIBED = {"license": "as its maker says", "note": "it was given for an audit"}


def ids_of(models: Sequence[str], taken: Iterable[str]) -> list[str]:
    """An id for each model, from the name of its folder or repository, none twice and none that is ``taken``."""
    ids, taken = [], {*taken, REFERENCE, NONE, RETRAINED}
    for said in models:
        base = re.sub(r"[^a-z0-9-]+", "-", name_of(said).lower()).strip("-") or "model"
        number, id = 1, base
        while id in taken:
            number, id = number + 1, f"{base}-{number + 1}"
        ids.append(id)
        taken.add(id)
    return ids


def name_of(said: str) -> str:
    """The name of a model's folder or repository."""
    folder = Path(said).expanduser()
    return folder.resolve().name if folder.is_dir() else said.split("@")[0].split("/")[-1]


def entry_of(said: str, known: Iterable[str], base: str | None) -> dict:
    """The entry of ``models``; that of an adapter says that it belongs to ``base``.

    Raises ConfigError for what is no model, and for an adapter without a base; FetchError where the hub does not.
    """
    if not (where := located(said)):
        raise ConfigError(
            f"{said!r} is no folder, no owner/name of the hub and no id of config.yaml ({', '.join(known)}); correct it"
        )
    entry, files = where
    if is_adapter(files):
        if base is None:
            raise ConfigError(f"REFERENCE: {said} is an adapter; give the whole model before unlearning")
        entry["base"] = base
    return entry | UNDESCRIBED


def located(said: str) -> tuple[dict, list[str]] | None:
    """The ``path`` or ``hub`` of an entry and the names of the files there; None for no folder and no owner/name.

    Raises FetchError where the hub does not have it.
    """
    folder = Path(said).expanduser()
    if folder.is_dir():
        return {"path": str(folder.resolve())}, [path.name for path in folder.iterdir()]
    return _of_hub(*said.split("@")) if REPOSITORY.fullmatch(said) else None


def _of_hub(name: str, revision: str = "main") -> tuple[dict, list[str]]:
    """The entry of a repository at a commit, which a branch or tag stands for today, and the names of its files."""
    from huggingface_hub import HfApi

    endpoint = os.environ.get("HF_ENDPOINT")
    with asking_the_hub():
        if not COMMIT.fullmatch(revision):
            named = Repository(name, revision, endpoint=endpoint).secured()
            try:
                revision = HfApi(endpoint=endpoint).model_info(name, revision=revision).sha
            except Exception as error:
                raise explain(error, named) from error
        files = list_files(Repository(name, revision, endpoint=endpoint))
    return {"hub": {"repository": name, "revision": revision}}, list(files)


def depth_of(entry: dict) -> int | None:
    """The number of decoder layers of a model's entry, None where nothing says it."""
    return sizes_in(_said_by(entry)).get("num_hidden_layers")


def other_shape(entry: dict, reference: dict) -> bool:
    """Whether what both models' entries and config.json say shows that their tensors have other shapes."""
    one, other = _said_by(entry), _said_by(reference)
    return any(one[key] != other[key] for key in SIZES if key in one and key in other)


def _said_by(entry: dict) -> dict:
    """What a model's ``shape``, or its config.json in a folder or at the hub, says; nothing where it is not there."""
    if "base" in entry:
        return {}
    if "path" in entry:
        config = Path(entry["path"]) / "config.json"
        return contents_of(config) if config.is_file() else {}
    if "hub" in entry:
        with asking_the_hub():
            return said_by(Repository.of(entry["hub"], "model"))
    return entry.get("shape", {})
