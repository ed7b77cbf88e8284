"""Measures of cells, and of their training: of which cells, and what their settings must say."""

from pathlib import Path

from unlearning_robustness.config.cells import REFERENCE, cells, parts_of, retrain_of
from unlearning_robustness.config.kinds import DEFENCES, facts_of
from unlearning_robustness.config.sources import open_reader
from unlearning_robustness.errors import ConfigError

KEY = "memorisation"
# Settings without a default, by protocol.
NEEDED = {
    "facts": ("documents", "prompt_tokens", "continuation_tokens", "shots"),
    "muse": ("documents", "continuation_tokens", "shots", "longest_text"),
    "tofu": (),
}
COMPARED = {"facts": ("model", "auc"), "muse": ("model", "auc"), "tofu": ("model", "log")}


def check_measures(config: dict) -> None:
    """Raise ConfigError for the first measure of what is no cell, or with missing or contradictory settings."""
    study, trained = config["study"], {(cell.method, cell.defence) for cell in cells(config["study"])}
    for measure in ("latents", "sharpness", "landscape", "memorisation"):
        if study[measure] and measure not in config:
            raise ConfigError(f"study.{measure}: needs settings under the key {measure}; write them, or measure none")
        for number, grid in enumerate(study[measure]):
            _check_measured(f"study.{measure}.{number}", measure, grid, trained)
    for number, grid in enumerate(study["cells"]):
        if grid["trajectory"]:
            _check_recorded(f"study.cells.{number}", config, grid)
    if "sharpness" in config:
        _check_divergence(config["sharpness"]["divergence"])
    if "landscape" in config:
        _check_plane(config["landscape"]["plane"])
    if study["memorisation"]:
        _check_protocol(config)


def _check_measured(key: str, measure: str, grid: dict, trained: set[tuple[str, str]]) -> None:
    for cell in ((method, defence) for method in grid["methods"] for defence in grid["defences"]):
        if cell not in trained:
            raise ConfigError(f"{key}: {' with '.join(cell)} is no cell of study.cells; add it there")
    if measure == "sharpness" and REFERENCE in grid["methods"]:
        raise ConfigError(f"{key}.methods: the reference has no trained tensors; leave it out")


def _check_recorded(key: str, config: dict, grid: dict) -> None:
    """A trajectory is that of a training of its own, whose model can be asked."""
    if "trajectory" not in config:
        raise ConfigError(f"{key}.trajectory: needs settings under the key trajectory; write them, or record none")
    if REFERENCE in grid["methods"]:
        raise ConfigError(f"{key}.trajectory: the reference is not trained; give it a grid without")
    for part in (part for defence in grid["defences"] for part in parts_of(defence)):
        if facts_of(DEFENCES, config["defences"][part]["kind"]).needs_matched_cell:
            raise ConfigError(f"{key}.trajectory: {part!r} is matched to another cell; give it a grid without")
    for method in grid["methods"]:
        if config["methods"][method]["parallel"]["sharded"]:
            raise ConfigError(
                f"{key}.trajectory: {method!r} is sharded, and no process has all of it to ask; give it a grid without"
            )


def _check_divergence(divergence: dict) -> None:
    if ("share" in divergence) == ("norm" in divergence):
        raise ConfigError("sharpness.divergence: give one of share (of the weight change) and norm")


def _check_plane(points: int) -> None:
    if points % 2 == 0:
        raise ConfigError(f"landscape.plane: {points} points a side miss the model itself; give an odd number")


def _check_protocol(config: dict) -> None:
    """Check that the protocol's settings and no others are there, and what every model is compared with."""
    settings = config[KEY]
    protocol = settings["protocol"]
    for name in NEEDED[protocol]:
        if name not in settings:
            raise ConfigError(f"{KEY}.{name}: missing; protocol {protocol} needs it")
    for name in sorted({name for names in NEEDED.values() for name in names} - set(NEEDED[protocol])):
        if name in settings:
            raise ConfigError(f"{KEY}.{name}: protocol {protocol} has no use for it; leave it out")
    if settings["format"].count("{}") != 1 or settings["format"].count("{") != 1:
        raise ConfigError(f"{KEY}.format: {settings['format']!r} must have one {{}}, where the question stands")
    for name in config["study"]["benchmarks"]:
        reader = open_reader(config, name)
        if (reader or "facts") != protocol:
            asked = f"are TOFU's or MUSE's (reader {reader})" if reader else "are missing"
            mend = f"write protocol: {reader}" if reader else f"give benchmarks.{name}.open"
            raise ConfigError(f"{KEY}.protocol: {protocol}, but open questions of {name} {asked}; {mend}")
        if protocol == "facts" and "domain" not in config["benchmarks"][name]["forget"]:
            raise ConfigError(f"{KEY}.protocol: facts are those of a domain; {name} is published, so take muse or tofu")
    for name in config["study"]["models"]:
        _check_compared(config, name)


def _check_compared(config: dict, name: str) -> None:
    """A model is compared with one that never saw the forget texts, or with what is known of such a model."""
    settings = config[KEY]
    protocol, retrain = settings["protocol"], retrain_of(config, name)
    if protocol == "tofu" and "retrain" not in settings:
        raise ConfigError(
            f"{KEY}.retrain: missing; forget quality compares with a retain-only model: give model, or the log of one"
        )
    if not retrain:
        raise ConfigError(
            f"{KEY}.retrain: missing; {name} did not memorise the forget texts here, so name the model that never "
            "saw them, or give its auc"
        )
    way = next(iter(retrain))
    if way not in COMPARED[protocol]:
        raise ConfigError(f"{KEY}.retrain.{way}: protocol {protocol} compares by {' or '.join(COMPARED[protocol])}")
    if way == "log" and not Path(retrain["log"]).is_file():
        raise ConfigError(f"{KEY}.retrain.log: there is no file {retrain['log']}; give the path of a published log")
    if protocol != "facts":
        return
    needed = settings["prompt_tokens"] + settings["continuation_tokens"]
    kept = config["models"][name].get("memorised", {}).get("tokens", needed)
    if kept < needed:
        raise ConfigError(
            f"models.{name}.memorised.tokens: {kept} are fewer than the {needed} of {KEY}.prompt_tokens and "
            "continuation_tokens together; give at least as many"
        )
