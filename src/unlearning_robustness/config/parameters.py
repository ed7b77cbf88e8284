"""Which parameters a method, defence or attack takes: read from its own file, without importing it.

The dataclass in the file is the only declaration of its parameters. Reading it as a syntax tree keeps torch out
of Snakemake's own process, which parses the configuration once for every job of a cluster.
"""

import ast
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from unlearning_robustness.config.schema import renamed
from unlearning_robustness.errors import ConfigError

FORGET_LOSSES, RETAIN_LOSSES = "methods.FORGET_LOSSES", "methods.RETAIN_LOSSES"
DEFENCES, ATTACKS, FIGURES = "defences.DEFENCES", "attacks.ATTACKS", "figures.FIGURES"
# What says the kind of an entry, by axis: the registry and the key.
KINDS = {"methods": (FORGET_LOSSES, "forget_loss"), "defences": (DEFENCES, "kind"), "attacks": (ATTACKS, "kind")}
PACKAGE = Path(__file__).parent.parent
TYPES = {
    "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,), "list": (list,), "list[float]": (list,)
}  # fmt: skip
HINT = "; in YAML write 1.0e-5, with a point"
REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """A parameter: accepted types, or the allowed words; ``default`` is REQUIRED when it must be given.

    One annotated ``... | None`` is ``optional``: null, or nothing given, means that there is none. A list has counts,
    with ``numbers`` (annotated ``list[float]``) numbers of at least 0.
    """

    name: str
    types: tuple[type, ...]
    words: tuple[str, ...] | None
    default: Any
    optional: bool = False
    numbers: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if value is None and self.optional:
            return None
        if self.words is not None:
            return None if value in self.words else f"must be one of {', '.join(self.words)}"
        if (isinstance(value, bool) and bool not in self.types) or not isinstance(value, self.types):
            wanted = "number" if float in self.types else self.types[-1].__name__
            hint = HINT if isinstance(value, str) and wanted == "number" else ""
            return f"must be a {wanted}, not {value!r}{hint}"
        if isinstance(value, list) and not (value and all(map(self._fits, value))):
            hint = HINT if self.numbers and any(isinstance(entry, str) for entry in value) else ""
            return f"must be a list of {'numbers, none negative' if self.numbers else 'counts'}, not {value!r}{hint}"
        return None

    def _fits(self, entry: Any) -> bool:
        """Whether a list may have this entry."""
        return type(entry) in ((int, float) if self.numbers else (int,)) and isfinite(entry) and entry >= 0


@cache
def registered(registry: str) -> dict[str, tuple[str, str]]:
    """Kind to (module, class) of the dictionary ``registry``, written "room.NAME", in the room's ``__init__.py``."""
    room, name = registry.split(".")
    imported = {}
    for node in ast.parse((PACKAGE / room / "__init__.py").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.name: node.module.rsplit(".", 1)[-1] for alias in node.names}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {key.value: _source(value, imported) for key, value in pairs}
    raise KeyError(registry)


def _source(value: ast.expr, imported: dict[str, str]) -> tuple[str, str]:
    """(module, name) of a registry's value: a class that was imported by name, or ``module.function``."""
    if isinstance(value, ast.Attribute):
        return value.value.id, value.attr
    return imported[value.id], value.id


@cache
def _declarations(registry: str, kind: str) -> list[ast.AnnAssign]:
    """The annotated fields of the class that ``registry`` has for ``kind``; ConfigError when it has none."""
    kinds = registered(registry)
    if kind not in kinds:
        raise ConfigError(_unknown(registry, kind))
    module, name = kinds[kind]
    tree = ast.parse((PACKAGE / registry.split(".")[0] / f"{module}.py").read_text())
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name).body
    return [node for node in body if isinstance(node, ast.AnnAssign)]


def module_of(registry: str, kind: str) -> str:
    """Dotted name, inside the package, of the file that declares ``kind``."""
    if kind not in registered(registry):
        raise ConfigError(_unknown(registry, kind))
    return f"{registry.split('.')[0]}.{registered(registry)[kind][0]}"


def _unknown(registry: str, kind: str) -> str:
    return f"{kind!r} is not one of {registry.split('.')[0]}: {', '.join(sorted(registered(registry)))}"


def parameters_of(registry: str, kind: str) -> dict[str, Parameter]:
    """The parameters that ``kind`` takes. Raises ConfigError when the registry has no such kind."""
    fields = [node for node in _declarations(registry, kind) if "ClassVar" not in ast.unparse(node.annotation)]
    return {parameter.name: parameter for parameter in map(_parameter, fields)}


def declared(registry: str, kind: str, name: str, default: Any = REQUIRED) -> Any:
    """The value of a field or class variable of ``kind``, or ``default`` when it declares none."""
    fields = {ast.unparse(node.target): node.value for node in _declarations(registry, kind)}
    return ast.literal_eval(fields[name]) if name in fields or default is REQUIRED else default


def reads_of(registry: str, kind: str) -> str:
    """What a loss declares that it reads: "hidden" or "logits"."""
    return declared(registry, kind, "reads")


def _parameter(node: ast.AnnAssign) -> Parameter:
    words, types, annotation = None, (), node.annotation
    optional = isinstance(annotation, ast.BinOp) and ast.unparse(annotation.right) == "None"
    if optional:
        annotation = annotation.left
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        words = tuple(ast.literal_eval(annotation.slice))
    else:
        types = TYPES[ast.unparse(annotation)]
    default = REQUIRED if node.value is None else ast.literal_eval(node.value)
    return Parameter(node.target.id, types, words, default, optional, ast.unparse(annotation) == "list[float]")


def complete(registry: str, kind: str, given: dict, key: str) -> dict:
    """The given parameters, checked, with defaults filled in; ``key`` names the place in errors."""
    declared = parameters_of(registry, kind)
    for name, value in given.items():
        if name not in declared:
            unknown = f"unknown parameter of {kind}; it takes {', '.join(declared) or 'none'}"
            raise ConfigError(f"{key}.{name}: {renamed(name, declared) or unknown}")
        if problem := declared[name].problem(value):
            raise ConfigError(f"{key}.{name}: {problem}")
    missing = [name for name, entry in declared.items() if entry.default is REQUIRED and name not in given]
    if missing:
        raise ConfigError(f"{key}.{missing[0]}: missing; {kind} needs it")
    return {name: given.get(name, entry.default) for name, entry in sorted(declared.items())}


def complete_parameters(config: dict) -> dict:
    """The configuration with the parameters of every method, defence and attack checked and completed."""
    completed = dict(config)
    for axis, (registry, kind) in KINDS.items():
        completed[axis] = {
            name: _completed_entry(registry, kind, entry, f"{axis}.{name}") for name, entry in config[axis].items()
        }
    return completed


def _completed_entry(registry: str, kind: str, entry: dict, key: str) -> dict:
    if entry[kind] not in registered(registry):
        raise ConfigError(f"{key}.{kind}: no {entry[kind]!r}; there are: {', '.join(sorted(registered(registry)))}")
    parameters = complete(registry, entry[kind], entry["parameters"], f"{key}.parameters")
    for method, own in entry.get("per_method", {}).items():
        complete(registry, entry[kind], {**parameters, **own}, f"{key}.per_method.{method}")
    return {**entry, "parameters": parameters}
