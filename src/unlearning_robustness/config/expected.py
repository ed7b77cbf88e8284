"""Published numbers: which of them belong to a study, and what they may name."""

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.config.combinations import defined
from unlearning_robustness.errors import ConfigError


def expected_of(config: dict) -> dict[str, dict]:
    """The published numbers that name this study; a laptop study is compared with nothing unless an entry says so."""
    study = config["study"]["name"]
    return {name: entry for name, entry in config["expected"].items() if entry["study"] == study}


def check_expected(config: dict) -> None:
    """Raise ConfigError for a published number of this study that names nothing defined, or no single quantity."""
    for name, entry in expected_of(config).items():
        key, of = f"expected.{name}", entry["of"]
        defined(config, "models", entry["model"], f"{key}.model")
        defined(config, "benchmarks", entry["benchmark"], f"{key}.benchmark")
        defined(config, "probes", of["probe"], f"{key}.of.probe")
        if entry["method"] != REFERENCE:
            defined(config, "methods", entry["method"], f"{key}.method")
        for part in [] if entry["defence"] == NONE else entry["defence"].split("."):
            defined(config, "defences", part, f"{key}.defence")
        if of["attack"] == NONE:
            if entry["quantity"] == "gain":
                raise ConfigError(f"{key}.of.attack: a gain is what an attack brings back; name one")
            continue
        defined(config, "attacks", of["attack"], f"{key}.of.attack")
        given = config["attacks"][of["attack"]]["parameters"]
        for part in ("documents", "steps"):
            if part not in of and len(given.get(part) or []) > 1:
                raise ConfigError(f"{key}.of.{part}: missing; {of['attack']} is scored at {given[part]}, give one")
