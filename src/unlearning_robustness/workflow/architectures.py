"""Can a study run on the architectures that it is about to fetch? Asked before its first job, of their config.json."""

from collections.abc import Iterable
from math import inf
from pathlib import Path

from unlearning_robustness.config.layers import check_depths, origin_of
from unlearning_robustness.config.mixtures import check_mixtures
from unlearning_robustness.config.positions import check_positions
from unlearning_robustness.data.hub import Repository
from unlearning_robustness.models.config_json import contents_of, positions_of, sizes_in
from unlearning_robustness.workflow.licences import asking_the_hub


def check_architectures(config: dict, entries: Iterable[tuple[str, dict]]) -> None:
    """Raise ConfigError where a model of ``entries`` lacks what the study asks of it: layers, one MLP each, positions.

    ``entries`` are (kind, config entry) of what is fetched. What the hub does not answer its own job reports.
    """
    fetched = [entry["hub"] for kind, entry in entries if kind == "model" and "hub" in entry]
    hubs = {name: config["models"][origin_of(config, name)].get("hub") for name in config["study"]["models"]}
    with asking_the_hub():
        for model, hub in hubs.items():
            said = said_by(Repository.of(hub, "model")) if hub in fetched else {}
            sizes = sizes_in(said)
            if "num_hidden_layers" in sizes:
                check_depths(config, {model: sizes["num_hidden_layers"]})
            check_mixtures(config, {model: sizes.get("experts", 1)})
            check_positions(config, {model: positions_of(said) or inf})


def said_by(repository: Repository) -> dict:
    """What a repository's config.json says; nothing where it cannot be had."""
    from huggingface_hub import hf_hub_download

    repository.secured()
    where = {"revision": repository.revision, "endpoint": repository.endpoint}
    try:
        return contents_of(Path(hf_hub_download(repository.name, "config.json", **where)))
    except (OSError, ValueError):  # the hub does not answer, or has no such name
        return {}
