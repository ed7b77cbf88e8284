"""The shape of the configuration, checked against schemas/config.schema.yaml."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

from unlearning_robustness.errors import ConfigError

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"


@cache
def schema() -> dict:
    """The JSON schema (2020-12) of the configuration."""
    return yaml.safe_load(SCHEMA.read_text())


def check_shape(config: dict, inheriting: frozenset[tuple[str, str]] = frozenset()) -> None:
    """Raise ConfigError with one line naming the key and what it should be, for the first thing that is wrong.

    What is wrong with an entry that others are like is wrong with them too; ``inheriting`` (axis, id) come last.
    """
    from jsonschema import Draft202012Validator

    def place(error) -> tuple:
        path = tuple(map(str, error.path))
        return path[:2] in inheriting, path

    errors = sorted(Draft202012Validator(schema()).iter_errors(config), key=place)
    if errors:
        raise ConfigError(_describe(errors[0]))


def _describe(error) -> str:
    key = ".".join(map(str, error.path)) or "config"
    if error.validator == "additionalProperties":
        known = set(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - known)
        return f"{key}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{key}: the key {missing[0]!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        hint = "; in YAML write 1.0e-5, with a point" if isinstance(error.instance, str) and wanted == "number" else ""
        return f"{key}: must be {'an' if wanted[0] in 'aio' else 'a'} {wanted}, not {error.instance!r}{hint}"
    if error.validator == "pattern" and error.schema == schema()["$defs"]["id"]:
        return (
            f"{key}: {error.instance!r} is no id; use lower-case letters, digits, '.' and '-', first a letter or digit"
        )
    return f"{key}: {error.message}"


def fill_defaults(value, part: dict | None = None):
    """A copy of the configuration with the schema's defaults filled in wherever a key is absent."""
    part = _follow(schema() if part is None else part)
    if isinstance(value, dict):
        properties = part.get("properties", {})
        value = {name: entry["default"] for name, entry in properties.items() if "default" in entry} | value
    return _mapped(fill_defaults, value, part)


def without_display(value, part: str | dict = "config"):
    """A copy of the configuration without the keys that the schema marks ``x-display``: labels, notes, licences.

    ``part`` names what ``value`` is: the whole ``config``, or one of the schema's definitions, such as ``method`` for
    an entry of ``methods``.
    """
    if isinstance(part, str):
        part = schema() if part == "config" else schema()["$defs"][part]
    part = _follow(part)
    if isinstance(value, dict):
        value = {name: entry for name, entry in value.items() if not _part_of(part, name).get("x-display")}
    return _mapped(without_display, value, part)


def _mapped(change: Callable, value, part: dict):
    """A copy of ``value`` whose entries are changed, each with the part of the schema that describes it."""
    if isinstance(value, dict):
        return {name: change(entry, _part_of(part, name)) for name, entry in value.items()}
    return [change(entry, part.get("items", {})) for entry in value] if isinstance(value, list) else value


def _part_of(part: dict, name: str) -> dict:
    """The schema of the key ``name`` in a mapping that ``part`` describes; empty where that says nothing of it."""
    others = part.get("additionalProperties", {})
    return part.get("properties", {}).get(name, others if isinstance(others, dict) else {})


def _follow(part: dict) -> dict:
    return schema()["$defs"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part
