"""Texts are cut where the configuration says; a model has no more positions than it was made with."""

from collections.abc import Iterator, Mapping

from unlearning_robustness.config.cells import NONE, in_order
from unlearning_robustness.config.checkpoints import study_methods
from unlearning_robustness.errors import ConfigError

MEASURES = ("sharpness", "landscape")
METHOD_LENGTHS = ("tokens", "retain_tokens")


def check_positions(config: dict, positions: Mapping[str, int]) -> None:
    """Raise ConfigError where the study cuts texts beyond a model's positions, which are given by its id.

    Some models fail there, others go on and compute what they were never trained to.
    """
    for model, most in positions.items():
        for key, tokens in lengths(config, model):
            if tokens > most:
                raise ConfigError(f"{key}: {tokens} are more than the {most} positions of {model}; lower it")


def lengths(config: dict, model: str) -> Iterator[tuple[str, int]]:
    """(key, tokens) of every length at which the study's own methods, attacks and measures cut texts."""
    study = config["study"]
    if "memorised" in config["models"][model]:
        yield f"models.{model}.memorised.tokens", config["models"][model]["memorised"]["tokens"]
    for name in study_methods(config):
        for key, entry in _parts(f"methods.{name}", config["methods"][name]):
            yield from ((f"{key}.{length}", entry[length]) for length in METHOD_LENGTHS if length in entry)
    for name in in_order(study, "attacks"):
        parameters = config["attacks"][name]["parameters"] if name != NONE else {}
        if "tokens" in parameters:
            yield f"attacks.{name}.parameters.tokens", parameters["tokens"]
    yield from ((f"{name}.tokens", config[name]["tokens"]) for name in MEASURES if study[name])
    for name in study["benchmarks"]:
        yield f"benchmarks.{name}.corpora.perplexity_tokens", config["benchmarks"][name]["corpora"]["perplexity_tokens"]


def _parts(key: str, method: dict) -> Iterator[tuple[str, dict]]:
    """A method, and each of its topics, which may cut elsewhere."""
    yield key, method
    yield from ((f"{key}.topics[{number}]", topic) for number, topic in enumerate(method.get("topics", ())))
