"""From the user's YAML to a study that is known to be runnable, before any job runs. Imports no torch."""

import copy

from unlearning_robustness.config.checks import check_study, complete_entries
from unlearning_robustness.config.inherit import entries_like_others, inherit, without_removed
from unlearning_robustness.config.schema import check_shape, fill_defaults
from unlearning_robustness.errors import ConfigError

__all__ = ["ConfigError", "defence_row", "method_settings", "resolve"]


def resolve(config: dict) -> dict:
    """The configuration, checked and with every default filled in.

    Raises ConfigError with one line that names the key and the mend.
    """
    config = without_removed(config)
    inheriting = entries_like_others(config)
    config = inherit(config)
    check_shape(config, inheriting)
    resolved = fill_defaults(copy.deepcopy(dict(config)))
    complete_entries(resolved)
    check_study(resolved)
    return _sorted(resolved)


def method_settings(config: dict, method: str) -> dict:
    """The resolved entry of a method."""
    return config["methods"][method]


def defence_row(config: dict, defence: str, method: str) -> list[dict]:
    """The resolved entries of a defence id's parts, with the method's own values in place."""
    row = []
    for part in [] if defence == "none" else defence.split("."):
        entry = config["defences"][part]
        parameters = {**entry["parameters"], **entry["per_method"].get(method, {})}
        row.append({"id": part, "kind": entry["kind"], "parameters": _sorted(parameters)})
    return row


def _sorted(value):
    """Keys in order: Snakemake compares parameters as text, and their order in the YAML means nothing."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
