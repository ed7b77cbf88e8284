"""Every key that an error of the code names is one that the configuration has."""

import dataclasses
import re

import pytest
from pages import ROOT

from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, declaration, registered
from unlearning_robustness.config.schema import schema

SOURCE = ROOT / "src" / "unlearning_robustness"
KEY = re.compile(r'(?:lower|raise|correct|change|give|or) ((?:[a-z_0-9]+|\*)(?:\.(?:[a-z_0-9]+|\*))+)')  # fmt: skip
# Words with a point that are no keys: files, and names of Python.
OTHERS = re.compile(r".*\.json|(str|context|people)\..*")
NAMED = sorted({
    (path.relative_to(SOURCE).as_posix(), key)
    for path in SOURCE.rglob("*.py")
    for literal in re.findall(r'"([^"\n]+)"', path.read_text())
    for key in KEY.findall(literal)
    if not OTHERS.fullmatch(key)
})  # fmt: skip
PARAMETERS = {
    axis: {field.name for kind in registered(registry) for field in dataclasses.fields(declaration(registry, kind))}
    for axis, registry in (("attacks", ATTACKS), ("defences", DEFENCES))
}


def has(part, steps):
    """Whether a path of keys, in which ``*`` is any id, stands in a part of the schema."""
    part = schema()["$defs"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part
    if not steps:
        return True
    (first, *rest), keys = steps, part.get("properties", {})
    others = part.get("additionalProperties")
    if first == "*":
        inner = [others] if isinstance(others, dict) else list(keys.values())
        return any(has(each, rest) for each in inner)
    if first in keys:
        return has(keys[first], rest)
    return isinstance(others, dict) and not keys and has(others, rest)


def is_key(key):
    axis, *steps = key.split(".")
    if steps[1:2] == ["parameters"]:
        return steps[2] in PARAMETERS[axis]
    return has(schema(), [axis, *steps])


def test_errors_name_keys():
    assert len(NAMED) > 12


@pytest.mark.parametrize(("file", "key"), NAMED, ids=lambda value: value)
def test_a_key_that_an_error_names_is_documented(file, key):
    assert is_key(key), f"{file} names {key}, which the configuration does not have"
    last = key.split(".")[-1]
    assert f"`{last}`" in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("key", ["corpora.retain_documents", "attacks.*.documents", "benchmarks.*.corpora.least"])
def test_what_is_no_key_is_seen(key):
    assert not is_key(key)
