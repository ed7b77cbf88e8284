"""Constants and registries of modules, read from their text: Snakemake's own process imports nothing heavy for them."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent


@cache
def constant(module: str, name: str) -> Any:
    """The literal that a module, by its dotted name inside this package, assigns to ``name``; KeyError if none."""
    return ast.literal_eval(_assigned(module, name))


@cache
def registry(module: str, name: str) -> dict[str, str]:
    """Key to the dotted module of each function ``inner.function`` that the dictionary ``name`` of a room holds."""
    entries = _assigned(module, name)
    return {key.value: f"{module}.{value.value.id}" for key, value in zip(entries.keys, entries.values, strict=True)}


def _assigned(module: str, name: str) -> ast.expr:
    path = PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    raise KeyError(f"{module}.{name}")
