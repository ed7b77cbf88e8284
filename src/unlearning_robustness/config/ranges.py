"""Numbers that a defence or an attack cannot run with."""

from unlearning_robustness.config.cells import defence_parameters
from unlearning_robustness.errors import ConfigError

# Parameters that must be above 0, at least 1, and below 1.
SIZES, COUNTS, SHARES = (
    ("radius", "inner_radius", "scale", "step_size", "factor"),
    ("steps", "draws", "every"),
    ("rate", "hws_decay"),
)


def check_ranges(config: dict) -> None:
    """Raise ConfigError for the first parameter of a method, defence or attack that is out of its range."""
    for name, method in config["methods"].items():
        if method["parameters"].get("beta", 1) <= 0:
            raise ConfigError(f"methods.{name}.parameters.beta: must be above 0")
    for name, defence in config["defences"].items():
        _check_sizes(f"defences.{name}.parameters", defence["parameters"])
        for method in defence["per_method"]:
            _check_sizes(f"defences.{name}.per_method.{method}", defence_parameters(defence, method))
    for name, attack in config["attacks"].items():
        _check_budget(name, attack["parameters"])
        _check_prompting(name, attack["parameters"])
        _check_weights(name, attack)


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


def _check_weights(name: str, attack: dict) -> None:
    """Numbers that an attack on weights cannot run with."""
    key, parameters = f"attacks.{name}.parameters", attack["parameters"]
    counts = {"prune": ["texts", "tokens"], "quantise": ["group_size"]}.get(attack["kind"], [])
    for part in counts:
        if parameters[part] < 1:
            raise ConfigError(f"{key}.{part}: must be at least 1, not {parameters[part]}")
    if attack["kind"] == "prune" and (most := max(parameters["fractions"])) > 1:
        raise ConfigError(f"{key}.fractions: shares of the weights are at most 1, not {most}; write 5 % as 0.05")
    highest = 8 if parameters.get("backend") == "torchao" else 16
    if attack["kind"] == "quantise" and (most := max(parameters["bits"])) > highest:
        raise ConfigError(f"{key}.bits: at most {highest}, not {most}; 0 is no rounding")


def _check_budget(name: str, parameters: dict) -> None:
    """A relearning attacker's budget is given in steps or in passes; every pass sees each document once."""
    if "epochs" not in parameters:
        return
    key, given = f"attacks.{name}.parameters", [part for part in ("steps", "epochs") if parameters[part] is not None]
    if len(given) != 1:
        raise ConfigError(f"{key}.epochs: give one of steps and epochs, not {'both' if given else 'neither'}")
    size = parameters["batch_size"]
    for part in ("batch_size", "rank"):
        if parameters[part] < 1:
            raise ConfigError(f"{key}.{part}: must be at least 1, not {parameters[part]}")
    uneven = [count for count in parameters["documents"] if count % size]
    if given == ["epochs"] and uneven:
        raise ConfigError(
            f"{key}.documents: {uneven[0]} is no multiple of batch_size {size}, so no whole number of steps is a pass; "
            f"give {uneven[0] - uneven[0] % size + size}"
        )


def _check_prompting(name: str, parameters: dict) -> None:
    """A search that matches a representation says at which layer, and only then."""
    key = f"attacks.{name}.parameters"
    if "match" not in parameters:
        return
    needed = parameters["match"] == "representation"
    if needed != (parameters["layer"] is not None):
        raise ConfigError(f"{key}.layer: {'missing; ' if needed else 'only '}match: representation needs it")
    if parameters["role"] == "retain" and parameters["match"] != "contrast":
        raise ConfigError(f"{key}.role: retain questions are to be missed, which {parameters['match']} cannot say; "
                          "leave match out, or take role: forget")  # fmt: skip
    for part, least in {"inserted_tokens": 1, "questions": 1, "candidates": 1, "top_k": 1, "held_out": 0}.items():
        if parameters[part] < least:
            raise ConfigError(f"{key}.{part}: must be at least {least}, not {parameters[part]}")
