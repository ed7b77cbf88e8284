"""Commands, links, files and configuration keys that the documentation names exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pages import FENCE, PAGES, ROOT, anchors, code, links

pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
SCHEMA = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())
FOLDERS = "benchmarks|docs|envs|profiles|report|rules|schemas|src|studies|tests|workflow_scripts"


def test_make_targets_and_studies_exist(page):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    studies = {path.stem for path in (ROOT / "studies").glob("*.yaml")}
    studies |= set(re.findall(r'title="studies/([a-z-]+)', text))
    for snippet in code(text):
        assert set(re.findall(r"\bmake ([a-z][a-z-]*)", snippet)) <= targets
        assert set(re.findall(r"\bSTUDY=([a-z][a-z0-9-]*)", snippet)) <= studies


def test_links_lead_somewhere(page):
    for text, target in links(page.read_text()):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} is missing"
        if anchor:
            assert anchor in anchors(linked.read_text()), target
        if linked.suffix == ".py" and text.startswith("`"):
            assert text.strip("`") in definitions(linked), f"{text} is not in {target}"


def definitions(path: Path) -> set[str]:
    """Names of a module's functions and classes, and of the classes' own as CLASS.NAME."""
    body = ast.parse(path.read_text()).body
    kinds = (ast.FunctionDef, ast.ClassDef)
    own = {node.name for node in body if isinstance(node, kinds)}
    return own | {
        f"{node.name}.{inner.name}"
        for node in body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, kinds)
    }


def test_files_exist(page):
    text = page.read_text()
    written = set(re.findall(r'title="([^"]+)"', text))
    for snippet in code(text):
        for path in re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./-]*\w)(?![\w/*]|\.\w|[A-Z])", snippet):
            assert path in written or "NAME" in path or (ROOT / path).exists() or list(ROOT.glob(f"{path}.*")), path


def test_configuration_keys_exist(page):
    for snippet in re.findall(r"`([^`\n]+)`", page.read_text()):
        key = re.match(r"([a-z_]+(?:\.[a-zA-Z_*]+)+)(?=$|:| )", snippet)
        if key and key[1].split(".")[0] in SCHEMA["properties"]:
            assert has_key(SCHEMA, key[1].split(".")), snippet
    for language, body in FENCE.findall(page.read_text()):
        settings = yaml.safe_load(body) if language == "yaml" else {}
        for keys in key_paths(settings):
            assert keys[0] not in SCHEMA["properties"] or has_key(SCHEMA, keys), ".".join(keys)


def key_paths(settings) -> Iterator[list[str]]:
    """Every key of nested mappings with the keys above it."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield [str(key)]
            yield from ([str(key), *keys] for keys in key_paths(value))


def has_key(schema: dict, keys: list[str]) -> bool:
    """Whether ``schema`` has the nested ``keys``; an id matches any key where ids are free, and a list any number N."""
    if "$ref" in schema:
        return has_key(SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]], keys)
    if not keys:
        return True
    if "items" in schema and keys[0] == "N":
        return has_key(schema["items"], keys[1:])
    if keys[0] in schema.get("properties", {}):
        return has_key(schema["properties"][keys[0]], keys[1:])
    branches = [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    branches += [branch for name in ("oneOf", "anyOf", "allOf") for branch in schema.get(name, [])]
    rest = keys if "items" in schema else keys[1:]
    return any(has_key(branch, rest) for branch in branches) or (
        schema.get("type") == "object" and "properties" not in schema and not branches
    )
