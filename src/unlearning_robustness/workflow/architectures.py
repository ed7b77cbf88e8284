"""Can a study run on the architectures that it is about to fetch? Asked before its first job, of their config.json."""

from collections.abc import Iterable
from pathlib import Path

from unlearning_robustness.config.layers import check_depths, origin_of
from unlearning_robustness.config.mixtures import check_mixtures
from unlearning_robustness.data.hub import Repository
from unlearning_robustness.models.config_json import sizes_in
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.workflow.licences import asking_the_hub


def check_architectures(config: dict, entries: Iterable[tuple[str, dict]]) -> None:
    """Raise ConfigError where a model of ``entries`` lacks a layer that the study names, or is a mixture it cannot use.

    ``entries`` are (kind, config entry) of what is fetched. What the hub does not answer its own job reports.
    """
    fetched = [entry["hub"] for kind, entry in entries if kind == "model" and "hub" in entry]
    hubs = {name: config["models"][origin_of(config, name)].get("hub") for name in config["study"]["models"]}
    with asking_the_hub():
        for model, hub in hubs.items():
            sizes = _sizes_of(Repository.of(hub, "model")) if hub in fetched else {}
            if "num_hidden_layers" in sizes:
                check_depths(config, {model: sizes["num_hidden_layers"]})
            check_mixtures(config, {model: sizes.get("experts", 1)})


def _sizes_of(repository: Repository) -> dict:
    from huggingface_hub import hf_hub_download

    where = {"revision": repository.revision, "endpoint": repository.endpoint}
    try:
        return sizes_in(read_json(Path(hf_hub_download(repository.name, "config.json", **where))))
    except (OSError, ValueError):
        return {}
