"""Which parameters a method, defence or attack takes, and which values: as its own class declares them."""

import dataclasses
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from unlearning_robustness.config.checkpoints import is_trained
from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, FORGET_LOSSES, declaration, registered
from unlearning_robustness.config.ranges import Range
from unlearning_robustness.config.schema import number_hint, renamed
from unlearning_robustness.errors import ConfigError

# What says the kind of an entry, by axis: the registry and the key.
KINDS = {"methods": (FORGET_LOSSES, "forget_loss"), "defences": (DEFENCES, "kind"), "attacks": (ATTACKS, "kind")}
ANY = Range()


@dataclass(frozen=True)
class Parameter:
    """A parameter: its ``type``, a list's being that of its entries, or the allowed ``words``, and its ``range``.

    ``default`` is REQUIRED when it must be given; null stands for none where it is ``optional``.
    """

    REQUIRED: ClassVar[object] = dataclasses.MISSING
    name: str
    type: type | None
    words: tuple[str, ...] | None
    default: Any
    optional: bool = False
    listed: bool = False
    range: Range = ANY

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if value is None and self.optional:
            return None
        if self.words is not None:
            return None if value in self.words else f"must be one of {', '.join(self.words)}"
        if not self.listed:
            return self._entry_problem(value)
        if not isinstance(value, list) or not value:
            return f"must be {self._description} with at least one entry, not {value!r}"
        if problem := next(filter(None, map(self._entry_problem, value)), None):
            return problem
        once = list(dict.fromkeys(value))
        return None if once == value else f"{value} repeats an entry; write {once}"

    def _entry_problem(self, value: Any) -> str | None:
        accepted = (int, float) if self.type is float else (self.type,)
        if (isinstance(value, bool) and self.type is not bool) or not isinstance(value, accepted):
            hint = number_hint(value) if self.type is float else ""
            return f"must be {self._description}, not {value!r}{hint}"
        return self.range.problem(value) if self.type in (int, float) else None

    @property
    def _description(self) -> str:
        name = {float: "a number", int: "an integer", str: "a text", bool: "true or false"}[self.type]
        return f"a list of {name.split()[-1]}s" if self.listed else name


@cache
def parameters_of(registry: str, kind: str) -> dict[str, Parameter]:
    """The parameters that ``kind`` takes, by name. Raises ConfigError when the registry has no such kind."""
    declared = declaration(registry, kind)
    hints = get_type_hints(declared, include_extras=True)
    return {field.name: _parameter(field, hints[field.name]) for field in dataclasses.fields(declared)}


def _parameter(field: dataclasses.Field, hint: Any) -> Parameter:
    optional, allowed = NoneType in get_args(hint), ANY
    if optional:
        (hint,) = set(get_args(hint)) - {NoneType}
    if get_origin(hint) is Annotated:
        hint, allowed = get_args(hint)
    if get_origin(hint) is Literal:
        return Parameter(field.name, None, get_args(hint), field.default, optional)
    listed = get_origin(hint) is list
    (entry,) = get_args(hint) if listed else (hint,)
    return Parameter(field.name, entry, None, field.default, optional, listed, allowed)


def complete(registry: str, kind: str, settings: dict, key: str) -> dict:
    """The settings, checked, with defaults filled in; ``key`` names their place in the configuration.

    Raises ConfigError for an unknown or missing parameter, a value that it does not take, or parameters that do not go
    together.
    """
    declared = parameters_of(registry, kind)
    for name, value in settings.items():
        if name not in declared:
            unknown = f"unknown parameter of {kind}; it takes {', '.join(declared) or 'none'}"
            raise ConfigError(f"{key}.{name}: {renamed(name, declared) or unknown}")
        if problem := declared[name].problem(value):
            raise ConfigError(f"{key}.{name}: {problem}")
    missing = [name for name, entry in declared.items() if entry.default is Parameter.REQUIRED and name not in settings]
    if missing:
        raise ConfigError(f"{key}.{missing[0]}: missing; {kind} needs it")
    completed = {name: settings.get(name, entry.default) for name, entry in sorted(declared.items())}
    facts = getattr(declaration(registry, kind), "Facts", None)
    if facts and (wrong := next(facts.problems(completed), None)):
        raise ConfigError(f"{key}.{wrong[0]}: {wrong[1]}")
    return completed


def complete_parameters(config: dict) -> dict:
    """The configuration with the parameters of every method, defence and attack checked and completed."""
    completed = dict(config)
    for axis, (registry, kind) in KINDS.items():
        completed[axis] = {
            name: _completed_entry(registry, kind, entry, f"{axis}.{name}") if is_trained(entry) else entry
            for name, entry in config[axis].items()
        }
    return completed


def _completed_entry(registry: str, kind: str, entry: dict, key: str) -> dict:
    if entry[kind] not in registered(registry):
        raise ConfigError(f"{key}.{kind}: no {entry[kind]!r}; there are: {', '.join(sorted(registered(registry)))}")
    parameters = complete(registry, entry[kind], entry["parameters"], f"{key}.parameters")
    for method, own in entry.get("per_method", {}).items():
        complete(registry, entry[kind], {**parameters, **own}, f"{key}.per_method.{method}")
    return {**entry, "parameters": parameters}
