"""Checks of defences: their sizes, which go together, and on which methods they would do nothing."""

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.config.parameters import declared
from unlearning_robustness.config.training import check_trained_with
from unlearning_robustness.errors import ConfigError

DEFENCES, RETAIN_LOSSES = "defences.DEFENCES", "methods.RETAIN_LOSSES"
# Controls that are matched to another cell, so that nothing is left to combine.
MATCHED = {"early-stop", "weight-noise"}
# Parameters that must be above 0, at least 1, and below 1.
SIZES, COUNTS, SHARES = (
    ("radius", "inner_radius", "scale", "step_size", "factor"),
    ("steps", "draws", "every"),
    ("rate", "hws_decay"),
)


def check_row(config: dict, grid: dict, defence: str, key: str) -> None:
    """Raise ConfigError when a grid's ``defence``, parts joined by dots, cannot be or would do nothing somewhere."""
    if defence == NONE:
        return
    if REFERENCE in grid["methods"]:
        raise ConfigError(f"{key}: the reference is not trained, so it has no defence {defence!r}; use none")
    kinds = []
    for part in defence.split("."):
        defined(config, "defences", part, f"{key}.defences")
        entry = config["defences"][part]
        kinds.append(entry["kind"])
        match = entry["parameters"].get("match")
        if match is not None and match != NONE:
            defined(config, "defences", match, f"defences.{part}.parameters.match")
            if "match" in config["defences"][match]["parameters"]:
                raise ConfigError(
                    f"defences.{part}.parameters.match: {match!r} is itself matched (an early stop or weight noise); "
                    "name a defence that is trained"
                )
    if len(set(kinds)) < len(kinds) or (MATCHED & set(kinds) and len(kinds) > 1):
        raise ConfigError(f"{key}.defences: {defence!r} cannot be combined; parts must be of different kinds")
    for method in grid["methods"]:
        check_acts(config, method, defence, f"{key}.defences")


def check_acts(config: dict, method: str, defence: str, key: str) -> None:
    """Raise ConfigError when a part of ``defence``, or what it is matched to, finds nothing in ``method`` to act on."""
    entry = config["methods"][method]
    no_retain = entry["retain_weight"] == 0
    no_reference = not declared(RETAIN_LOSSES, entry["retain_loss"], "needs_reference", True)
    for part in defence.split("."):
        check_trained_with(config, method, part, key)
        parameters = _parameters(config["defences"][part], method)
        acts_on = declared(DEFENCES, config["defences"][part]["kind"], "acts_on", None)
        nothing = f"{key}: {part!r} does nothing on {method!r}, "
        if no_retain and acts_on is not None:
            raise ConfigError(f"{nothing}whose retain_weight is 0; leave it out there, or give a weight")
        if no_reference and acts_on == "reference":
            raise ConfigError(
                f"{nothing}whose retain loss {entry['retain_loss']} reads no reference; leave it out there, or take kl"
            )
        if no_retain and parameters.get("projection", "none") != "none":
            raise ConfigError(
                f"{key}: {part!r} projects on the retain gradient, and {method!r} has none (retain_weight 0); "
                "give it a defence with projection: none"
            )
        averages = config["defences"][part]["kind"] == "weight-averaging" or parameters.get("hws_decay")
        if averages and entry["trained"] == "lora":
            raise ConfigError(
                f"{key}: {part!r} averages whole weights, and {method!r} trains adapters; leave it out there, "
                "or give the method another `trained`"
            )
        if "start" in parameters and parameters["start"] + parameters["every"] > entry["steps"]:
            raise ConfigError(
                f"{nothing}whose {entry['steps']} steps leave one checkpoint or none to average; let it start earlier"
            )
        if parameters.get("match", NONE) != NONE:
            check_acts(config, method, parameters["match"], key)


def check_sizes(name: str, defence: dict) -> None:
    """Raise ConfigError for a perturbation without size, or one of StableUN's that only undoes the inner step."""
    _check_sizes(f"defences.{name}.parameters", defence["parameters"])
    for method in defence["per_method"]:
        _check_sizes(f"defences.{name}.per_method.{method}", _parameters(defence, method))


def _check_sizes(key: str, parameters: dict) -> None:
    for part, value in parameters.items():
        if not isinstance(value, int | float):
            continue
        if value < 0:
            raise ConfigError(f"{key}.{part}: must not be below 0, not {value}")
        if part in SIZES and value == 0:
            raise ConfigError(f"{key}.{part}: must be above 0; to leave the perturbation out, leave the defence out")
        if part in COUNTS and value < 1:
            raise ConfigError(f"{key}.{part}: must be at least 1, not {value}")
        if part in SHARES and value >= 1:
            raise ConfigError(f"{key}.{part}: must be below 1, not {value}")
    inner, ascent = parameters.get("inner_radius"), parameters.get("sap_radius", 0)
    if inner is not None and 0 < ascent <= inner:
        raise ConfigError(
            f"{key}.sap_radius: {ascent} is not above inner_radius {inner}, so the ascent only undoes the inner step; "
            "give at least twice the inner radius"
        )


def _parameters(defence: dict, method: str) -> dict:
    return {**defence["parameters"], **defence["per_method"].get(method, {})}


def defined(config: dict, axis: str, name: str, key: str) -> None:
    """Raise ConfigError when ``axis`` has no entry ``name``."""
    if name not in config[axis]:
        raise ConfigError(f"{key}: {name!r} is not defined under {axis}; there are: {', '.join(sorted(config[axis]))}")
