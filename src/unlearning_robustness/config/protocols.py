"""Checks of ``memorisation``: what each protocol needs to be said, and what a model is compared with."""

from pathlib import Path

from unlearning_robustness.config.cells import retrain_of
from unlearning_robustness.config.combinations import defined
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


def check_protocol(config: dict) -> None:
    """Raise ConfigError for settings that the protocol lacks or does not know, or nothing to compare a model with."""
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
            said = f"are TOFU's or MUSE's (reader {reader})" if reader else "are missing"
            mend = f"give benchmarks.{name}.open" if reader is None else f"write protocol: {reader}"
            raise ConfigError(f"{KEY}.protocol: {protocol}, but open questions of {name} {said}; {mend}")
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
    given = next(iter(retrain))
    if given not in COMPARED[protocol]:
        raise ConfigError(f"{KEY}.retrain.{given}: protocol {protocol} compares by {' or '.join(COMPARED[protocol])}")
    if given == "model":
        defined(config, "models", retrain["model"], f"{KEY}.retrain.model")
    if given == "log" and not Path(retrain["log"]).is_file():
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
