"""The shape of the configuration, checked against schemas/config.schema.yaml."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import yaml

from unlearning_robustness.config.plain_values import numbers_beyond
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.errors import ConfigError

# What JSON's types are called in YAML.
TYPES = {"object": "mapping", "array": "list"}
# Old names of keys, and their names today: where the mapping has several, the first that it knows.
RENAMED = {
    "seeds_together": ("batch_seeds",),
    "selection": ("tuning",),
    "shares": ("reuse_results",),
    "most_facts": ("max_facts",),
    "retain_margin": ("utility_bound",),
    "margin": ("utility_bound",),
    "tokens": ("insert", "inserted_tokens"),
}
# Python's spelling of JSON's words.
WORDS = {"True": "true", "False": "false", "None": "null"}
SCHEMA = ROOT / "schemas" / "config.schema.yaml"


@cache
def schema() -> dict:
    """The JSON schema (2020-12) of the configuration."""
    return yaml.safe_load(SCHEMA.read_text())


def check_shape(config: dict, inheriting: frozenset[tuple[str, str]] = frozenset()) -> None:
    """Raise ConfigError with one line naming the key and what it should be, for the first thing that is wrong.

    What is wrong with an entry that others are like is wrong with them too; ``inheriting`` (axis, id) come last.
    """
    problems = [(error.path, _describe(error)) for error in _validator().iter_errors(config)]
    problems += [(path, f"{'.'.join(map(str, path))}: {problem}") for path, problem in numbers_beyond(config)]
    if problems:
        raise ConfigError(min(problems, key=lambda problem: _rank(problem[0], inheriting))[1])


@cache
def _validator():
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON knows no difference between 1 and 1.0, but numbers of steps and seeds in paths do.
    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return extend(Draft202012Validator, {"pattern": _pattern}, type_checker=whole)(schema())


def _pattern(_, pattern: str, instance, __) -> Iterator:
    """JSON Schema's ``pattern``, of which ``$`` is the end; Python's also stands before a line break at the end."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z" * pattern.endswith("$"), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _rank(path: Iterable, inheriting: frozenset[tuple[str, str]]) -> tuple:
    path = tuple(map(str, path))
    return path[:2] in inheriting, path


def _describe(error) -> str:
    key = ".".join(map(str, error.path)) or "config"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = min(set(error.instance) - set(known), key=str)
        return f"{key}: {renamed(unknown, known) or f'unknown key {unknown!r}; known are ' + ', '.join(known)}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{key}: the key {missing[0]!r} is missing"
    if error.validator == "type":
        allowed = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        named = [TYPES.get(name, name) for name in allowed]
        expected = " or ".join(f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in named)
        hint = number_hint(error.instance) if "number" in allowed else ""
        return f"{key}: must be {expected}, not {error.instance!r}{hint}"
    if error.validator == "anyOf":
        return f"{key}: must be an id, or a mapping of ids, not {error.instance!r}"
    if error.validator == "enum" and "propertyNames" in error.schema_path:
        known = ", ".join(error.validator_value)
        return f"{key}.{error.instance}: does not go with {known}; leave it out"
    if error.validator == "uniqueItems":
        return f"{key}: {error.instance!r} repeats an entry; leave one out"
    if error.validator == "pattern" and error.schema == schema()["$defs"]["id"]:
        return (
            f"{key}: {error.instance!r} is no id; use lower-case letters, digits, '.' and '-', a letter or digit "
            "before and behind each sign"
        )
    if error.validator == "pattern" and error.schema.get("pattern") == schema()["$defs"]["label"]["pattern"]:
        return f"{key}: {error.instance!r} is no label; write some words in one line"
    return f"{key}: {error.message}"


def number_hint(value) -> str:
    """What to add to the refusal of a value where a number belongs: how YAML reads one like it, such as 1e-5."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return "; in YAML write 1.0e-5, with a point"


def renamed(name: str, known: Iterable[str]) -> str | None:
    """What to say of the unknown key ``name`` where it was the name of one of the ``known`` keys; None elsewhere."""
    today = next((new for new in RENAMED.get(name, ()) if new in known), None)
    return f"{name!r} is called {today!r} today; rename it" if today else None


def fill_defaults(value, part: dict | None = None):
    """A copy of the configuration with the schema's defaults filled in wherever a key is absent."""
    part = _follow(schema() if part is None else part)
    if isinstance(value, dict):
        properties = part.get("properties", {})
        defaults = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
        value = {name: entry for name, entry in defaults.items() if name in _possible(value, part)} | value
    return _mapped(fill_defaults, value, part)


def _possible(value: dict, part: dict) -> Iterable[str]:
    """The keys that a mapping may have: all, unless `if` and `then` of the schema say which go with those it has."""
    asked, only = part.get("if", {}).get("required", ()), part.get("then", {}).get("propertyNames", {})
    return only["enum"] if only and all(name in value for name in asked) else part.get("properties", {})


def read_text(value, part: dict | None = None):
    """A copy of the configuration with text read as a number, true, false or null wherever no text belongs."""
    part = _follow(schema() if part is None else part)
    if isinstance(value, str) and part.get("type") != "string" and value not in part.get("enum", ()):
        return _scalar(value)
    return _mapped(read_text, value, part)


def _scalar(text: str):
    try:
        value = json.loads(WORDS.get(text, text))
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value


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
