"""Layers that the configuration names: a method's must stand in an order that it can run, all within the models."""

from collections.abc import Callable, Iterator, Mapping

from unlearning_robustness.config.cells import NONE, in_order
from unlearning_robustness.config.checkpoints import study_methods, trained_methods
from unlearning_robustness.config.kinds import FORGET_LOSSES, reads_of
from unlearning_robustness.errors import ConfigError

# Parameters of attacks that are a layer, or several.
ATTACKED = ("layer", "layers")


def with_scaled_layers(config: dict, depths_of: Callable[[dict], Mapping[str, int]]) -> dict:
    """The configuration in which methods with ``layers_of`` name the layers of the study's models instead.

    ``depths_of`` says how deep each of these models is, as far as that is known. Raises ConfigError where it is not, or
    where they differ, for a method of the study.
    """
    if not any("layers_of" in entry for entry in config["methods"].values()):
        return config
    depths, methods = depths_of(config), {}
    for name, entry in config["methods"].items():
        if "layers_of" in entry:
            if name in study_methods(config):
                _check_known(f"methods.{name}.layers_of", config["study"]["models"], depths)
            depth = next(iter(depths.values()), entry["layers_of"])
            entry = {key: value for key, value in entry.items() if key != "layers_of"}
            entry |= scaled_layers(entry["layers"], entry["read_layer"], config["methods"][name]["layers_of"], depth)
        methods[name] = entry
    return {**config, "methods": methods}


def scaled_layers(layers: list[int], read_layer: int, of: int, depth: int) -> dict:
    """``layers`` and ``read_layer`` of a model of ``of`` layers, in one of ``depth``.

    The read layer keeps its share of the depth, to the nearest layer; the others keep their distance from it. What
    would lie below the first layer or above the last one is left out.
    """
    read = min(depth - 1, int(read_layer * depth / of + 0.5))
    moved = [layer - read_layer + read for layer in layers]
    return {"layers": [layer for layer in moved if 0 <= layer < depth], "read_layer": read}


def _check_known(key: str, models: list[str], depths: Mapping[str, int]) -> None:
    if unknown := [model for model in models if model not in depths]:
        raise ConfigError(
            f"{key}: how many layers {unknown[0]} has is not known before it is fetched; give models.{unknown[0]}.shape"
        )
    if len(set(depths.values())) > 1:
        known = ", ".join(f"{model} {depth}" for model, depth in depths.items())
        raise ConfigError(f"{key}: the study's models differ in their number of layers ({known}); leave it out")


def check_layers(config: dict) -> None:
    """Raise ConfigError for a method that cannot be run from its first trained layer to the one that it reads.

    Layers must also lie within each model of the study whose depth the configuration declares.
    """
    for name, method in trained_methods(config).items():
        _check_order(f"methods.{name}", method)
    check_depths(config, declared_depths(config))


def check_depths(config: dict, depths: Mapping[str, int]) -> None:
    """Raise ConfigError for a layer that a model of the study does not have; ``depths`` are numbers of layers by id."""
    for model, depth in depths.items():
        for key, layer in named_layers(config):
            if layer >= depth:
                raise ConfigError(f"{key}: {model} has {depth} layers, counted from 0, so no layer {layer}; lower it")


def origin_of(config: dict, model: str) -> str:
    """The fetched model whose architecture ``model`` has: itself, or the one that it is made from."""
    return config["models"][model].get("from", model)


def declared_depths(config: dict) -> dict[str, int]:
    """The number of layers of each model of the study whose ``shape`` says it."""
    return {model: shape["num_hidden_layers"] for model, shape in declared_shapes(config).items()}


def declared_shapes(config: dict) -> dict[str, dict]:
    """The ``shape`` of each model of the study that has one, by the model's id."""
    entries = {model: config["models"][origin_of(config, model)] for model in config["study"]["models"]}
    return {model: entry["shape"] for model, entry in entries.items() if "shape" in entry}


def named_layers(config: dict) -> Iterator[tuple[str, int]]:
    """(key, layer) of every layer that the study's own methods, attacks and measures name."""
    study = config["study"]
    for name in study_methods(config):
        yield from ((f"methods.{name}.layers", layer) for layer in config["methods"][name]["layers"])
        yield f"methods.{name}.read_layer", config["methods"][name]["read_layer"]
    for name in [name for name in in_order(study, "attacks") if name != NONE]:
        for parameter in ATTACKED:
            layers = config["attacks"][name]["parameters"].get(parameter)
            for layer in layers if isinstance(layers, list) else [] if layers is None else [layers]:
                yield f"attacks.{name}.parameters.{parameter}", layer
    if study["latents"]:
        yield "latents.read_layer", config["latents"]["read_layer"]


def _check_order(key: str, method: dict) -> None:
    first, last, read = min(method["layers"]), max(method["layers"]), method["read_layer"]
    if read < first:
        raise ConfigError(
            f"{key}.read_layer: {read} lies below the first trained layer {first}, where a pass begins; give {first} "
            f"or above, or train lower layers"
        )
    if read < last and reads_of(FORGET_LOSSES, method["forget_loss"]) == "hidden":
        raise ConfigError(f"{key}.layers: layer {last} is above the read layer {read}, so the loss would not train it")
