"""Digests of code and settings, so that Snakemake reruns what a change touches, and nothing else."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
NAME = PACKAGE.name
# Registries import every room's members; following them would tie all methods together.
REGISTRIES = {"methods", "defences", "attacks", "figures"}


def code_digest(*modules: str) -> str:
    """Digest of the given modules and all they import from this package, registries excepted.

    Comments, docstrings and layout do not count, nor do the facts, types and ranges that a kind declares for checks,
    plans and figures. ``modules`` are dotted names inside the package.
    """
    digests: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in digests:
            digests[name], imported = _module(name)
            waiting += imported
    return hashlib.sha256("".join(f"{name}:{digests[name]};" for name in sorted(digests)).encode()).hexdigest()[:16]


@cache
def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """Digest of one module and the package's modules that it imports."""
    tree = ast.parse(_file(name).read_text())
    _strip_declarations(tree)
    _strip_docstrings(tree)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == NAME:
            base = node.module.removeprefix(NAME).lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                imported.add(inner if _exists(inner) else base)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return digest, tuple(sorted(name for name in imported if name and name not in REGISTRIES))


def _file(name: str) -> Path:
    path = PACKAGE / Path(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(name: str) -> bool:
    return _file(name).is_file()


def _strip_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]


def _strip_declarations(tree: ast.Module) -> None:
    """Leave out what a kind only declares: its class ``Facts``, its fields' types and ranges, and imports for these."""
    for node in tree.body:
        for part in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(part, ast.ClassDef) and part.name == "Facts":
                part.body, part.bases = [], []
            elif isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part.annotation):
                part.annotation = ast.Constant(None)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
    tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom) or node.names]
