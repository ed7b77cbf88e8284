"""How a configuration's layers become one: files it builds on, the command line, entries taken away or like others.

``like: ID`` in an entry takes everything of another entry of the same axis that is not given here. Parameters belong
to a kind of loss, defence or attack: an entry of another kind takes none of them over.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from unlearning_robustness.config.schema import read_text
from unlearning_robustness.errors import ConfigError

AXES = ("models", "sources", "benchmarks", "probes", "methods", "defences", "attacks")
KINDS = ("forget_loss", "kind")
# Where ``ID: null`` takes away an entry of a file that the study builds on.
REMOVABLE = (
    *((axis,) for axis in (*AXES, "searches", "claims", "expected")),
    ("tuning", "methods"),
    ("tuning", "defences", "grids"),
)


def base_studies(config: dict, studies: Path, own: Iterable[Path] = ()) -> list[Path]:
    """The files that the key ``builds_on`` of a configuration names, in its order; each is read over the ones before.

    ``own`` are the files that the configuration comes from. Raises ConfigError for a name that is no file below the
    folder ``studies``, or one of ``own``.
    """
    names = base_names(config)
    known = {path.relative_to(studies).with_suffix("").as_posix(): path for path in sorted(studies.rglob("*.yaml"))}
    for name in names:
        if name not in known:
            raise ConfigError(f"builds_on: no file {name!r} below studies/; there are: {', '.join(known)}")
        if known[name].resolve() in {Path(path).resolve() for path in own}:
            raise ConfigError(f"builds_on: {name!r} is this very file; leave it out")
    return [known[name] for name in names]


def base_names(config: dict) -> list[str]:
    """The names in ``builds_on``. Raises ConfigError for anything but a list of texts."""
    names = config.get("builds_on", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"builds_on: must be a list of files below studies/, without .yaml, not {names!r}")
    return names


def with_command_line(config: dict, command_line: Mapping) -> dict:
    """The configuration with the values of ``--config`` as numbers, true and false instead of text.

    Snakemake reads ``command_line`` as mappings and lists of text and merges them into the configuration itself.
    """
    return _retyped(config, dict(command_line), read_text(dict(command_line)))


def _retyped(value, text, meant):
    """``value`` with ``meant`` wherever it still is the ``text`` that was given."""
    if isinstance(value, Mapping) and isinstance(text, dict):
        return {key: _retyped(entry, text[key], meant[key]) if key in text else entry for key, entry in value.items()}
    return meant if value == text else value


def without_removed(config: dict) -> dict:
    """The configuration without the entries that are null."""
    for way in REMOVABLE:
        config = _cleared(config, way)
    return config


def _cleared(part, way: tuple[str, ...]):
    if not isinstance(part, dict):
        return part
    if not way:
        return {name: entry for name, entry in part.items() if entry is not None}
    first, *rest = way
    return {**part, first: _cleared(part[first], tuple(rest))} if first in part else part


def inherit(config: dict) -> dict:
    """The configuration with every ``like`` replaced by what it stands for, nested mappings key by key.

    Raises ConfigError for an entry that is not defined, or is like itself.
    """
    resolved = dict(config)
    for axis in AXES:
        entries = config.get(axis)
        if isinstance(entries, dict):
            resolved[axis] = {name: _completed(axis, entries, name, ()) for name in entries}
    return resolved


def entries_like_others(config: dict) -> frozenset[tuple[str, str]]:
    """(axis, id) of every entry that is like another one."""
    mappings = {axis: config.get(axis) for axis in AXES if isinstance(config.get(axis), dict)}
    return frozenset(
        (axis, name)
        for axis, entries in mappings.items()
        for name, entry in entries.items()
        if isinstance(entry, dict) and "like" in entry
    )


def _completed(axis: str, entries: dict, name: str, way: tuple[str, ...]) -> dict:
    entry = entries[name]
    if not isinstance(entry, dict) or "like" not in entry:
        return entry
    parent = entry["like"]
    if not isinstance(parent, str):
        raise ConfigError(f"{axis}.{name}.like: must be the id of another entry of {axis}, not {parent!r}")
    if parent not in entries:
        raise ConfigError(
            f"{axis}.{name}.like: {parent!r} is not defined under {axis}; there are: {', '.join(entries)}"
        )
    if parent in (*way, name):
        raise ConfigError(f"{axis}.{name}.like: {parent!r} is like {name!r} itself; one of them must stand alone")
    own = {key: value for key, value in entry.items() if key != "like"}
    inherited = _completed(axis, entries, parent, (*way, name))
    if not isinstance(inherited, dict):
        raise ConfigError(f"{axis}.{parent}: must be a mapping, not {inherited!r}")
    if any(key in own and own[key] != inherited.get(key) for key in KINDS):
        inherited = {key: value for key, value in inherited.items() if key not in ("parameters", "per_method")}
    return _merged(inherited, own)


def _merged(parent, own):
    if not (isinstance(parent, dict) and isinstance(own, dict)):
        return own
    return {**parent, **{key: _merged(parent.get(key), value) for key, value in own.items()}}
