"""What a method, a defence, an attack or a figure says of itself, read from its own file without importing torch.

A room's kinds are its files: ``defences/weight_noise.py`` is the defence "weight-noise". The class in the file declares
its parameters as fields, what the computing code asks for as class variables, and what only checks, plans and figures
ask for in a nested class ``Facts``. These declarations run here alone, without the methods beside them, so Snakemake's
own process, which parses the configuration once for every job of a cluster, stays free of torch.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from unlearning_robustness.errors import ConfigError

PACKAGE = Path(__file__).parent.parent
NAME = PACKAGE.name
FORGET_LOSSES, RETAIN_LOSSES = "methods.FORGET_LOSSES", "methods.RETAIN_LOSSES"
DEFENCES, ATTACKS = "defences.DEFENCES", "attacks.ATTACKS"
FIGURES, PAGES = "figures.FIGURES", "report.PAGES"
# By registry, the method or class variable that makes a file's class one of its kinds; figures and pages are functions.
MEMBERS = {
    FORGET_LOSSES: "direction", RETAIN_LOSSES: "needs_reference", DEFENCES: "install", ATTACKS: "run", FIGURES: "draw",
    PAGES: "page",
}  # fmt: skip
# Modules that declarations may import: none of them imports torch.
TORCH_FREE = ("collections.abc", "dataclasses", "math", "typing", f"{NAME}.config", f"{NAME}.models.shape")
TORCH_FREE += tuple(f"{NAME}.{room}.facts" for room in ("defences", "attacks"))


class Kinds(Mapping):
    """A registry: kind to its class or function, whose file is imported when it is asked for."""

    def __init__(self, registry: str):
        self.registry = registry

    def __getitem__(self, kind: str):
        name = registered(self.registry)[kind]
        return getattr(import_module(f"{NAME}.{module_of(self.registry, kind)}"), name)

    def __iter__(self) -> Iterator[str]:
        return iter(registered(self.registry))

    def __len__(self) -> int:
        return len(registered(self.registry))


@cache
def registered(registry: str) -> dict[str, str]:
    """Kind to the name of its class, or of a figure's function, of the registry "room.NAME", in the files' order."""
    member = MEMBERS[registry]
    kinds = {}
    for path in sorted((PACKAGE / registry.split(".")[0]).glob("*.py")):
        for node in _tree(path).body:
            if member in _members(node):
                kinds[path.stem.replace("_", "-")] = node.name
    return kinds


def _members(node: ast.stmt) -> set[str]:
    """A function's name; of a class the names of its methods and class variables."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    inner = node.body if isinstance(node, ast.ClassDef) else []
    methods = {part.name for part in inner if isinstance(part, ast.FunctionDef)}
    return methods | {
        part.target.id
        for part in inner
        if isinstance(part, ast.AnnAssign) and "ClassVar" in ast.unparse(part.annotation)
    }


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_of(registry: str, kind: str) -> str:
    """Dotted name, inside the package, of the file that declares ``kind``; ConfigError when there is no such kind."""
    if kind not in registered(registry):
        room, known = registry.split(".")[0], ", ".join(sorted(registered(registry)))
        raise ConfigError(f"{kind!r} is not one of {room}: {known}")
    return f"{registry.split('.')[0]}.{kind.replace('-', '_')}"


@cache
def declaration(registry: str, kind: str) -> type:
    """The class of ``kind`` with its fields, class variables and ``Facts``, and without its methods.

    Beside it are the file's imports from torch-free modules, and its constants that are literals. Raises ConfigError
    when the registry has no such kind.
    """
    module = module_of(registry, kind)
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    name = registered(registry)[kind]
    kept = [part for node in _tree(path).body if (part := _declared_part(node, name))]
    namespace = {"__name__": f"{NAME}.{module}"}
    exec(compile(ast.Module(kept, []), str(path), "exec"), namespace)
    return namespace[name]


def documentation(registry: str, kind: str) -> str:
    """The docstring of the class of ``kind``, which names its parameters in double backticks."""
    path = PACKAGE.joinpath(*module_of(registry, kind).split(".")).with_suffix(".py")
    declared = {node.name: node for node in _tree(path).body if isinstance(node, ast.ClassDef)}
    return ast.get_docstring(declared[registered(registry)[kind]])


def _declared_part(node: ast.stmt, name: str) -> ast.stmt | None:
    """What a declaration needs of a statement of the file: all of it, a class without its methods, or nothing."""
    if isinstance(node, ast.ImportFrom):
        return node if any(f"{node.module}.".startswith(f"{module}.") for module in TORCH_FREE) else None
    if isinstance(node, ast.Assign):
        return node if _is_literal(node.value) else None
    if isinstance(node, ast.ClassDef) and node.name == name:
        body = [part for part in node.body if isinstance(part, ast.AnnAssign | ast.ClassDef)] or [ast.Pass()]
        return ast.fix_missing_locations(ast.ClassDef(name, node.bases, [], body, node.decorator_list))
    return None


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def facts_of(registry: str, kind: str) -> type:
    """What a defence or an attack says to checks, plans and figures: its class ``Facts``."""
    return declaration(registry, kind).Facts


def reads_of(registry: str, kind: str) -> str:
    """What a loss reads: "hidden" or "logits"."""
    return declaration(registry, kind).reads
