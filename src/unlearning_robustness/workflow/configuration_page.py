"""docs/configuration.md: every key of the configuration, from the schema and from the classes that declare parameters.

``python -m unlearning_robustness.workflow.configuration_page > docs/configuration.md`` writes the page anew.
"""

import json

from unlearning_robustness.config.kinds import (
    ATTACKS,
    DEFENCES,
    FORGET_LOSSES,
    RETAIN_LOSSES,
    documentation,
    registered,
)
from unlearning_robustness.config.parameters import Parameter, parameters_of
from unlearning_robustness.config.ranges import MOST, MOST_TOKENS
from unlearning_robustness.config.schema import schema

INTRODUCTION = """# Configuration

<!-- Generated: python -m unlearning_robustness.workflow.configuration_page > docs/configuration.md -->

[config.yaml](../config.yaml) is the default study. A file given by `--configfile` is merged over it, mappings key by
key, lists as a whole; what a study names under `builds_on` comes between the two. Single values are set on the
command line, such as `--config 'study={"seeds": [0, 1]}'`.

- `like: ID` in an entry takes everything of another entry of the same kind that is not given there.
- `ID: null` takes away an entry that a file below gave.
- Ids have lower-case letters and digits, with single `.` and `-` between them. `none` and `seed0` are no ids, and
  `reference` and `retrained` are no methods: these words are taken.
- Numbers with an exponent need a point in YAML: `1.0e-5`. Forms that YAML reads as another number or as a date (`010`,
  `1:30`, `1_000`, `0x1F`, `2026-01-31`), and a key that stands twice, are refused with file and line.
- Nothing is counted beyond 10,000,000, no text is longer than 1,000,000 tokens, and no number (such as a seed) is
  beyond 4,294,967,295, or so small that it is 0 in float32.

Everything is checked before the first job; what is wrong is one line that names the key and the mend, and with
Snakemake's `--debug` a traceback stands before it, also in the log of a job. Editing a key that is *for people* changes
pages, figures or estimates, and trains nothing again.
"""
KINDS = {
    "Forget losses": (FORGET_LOSSES, "`methods.ID.parameters` of each `forget_loss`."),
    "Retain losses": (RETAIN_LOSSES, "What each `methods.ID.retain_loss` is; none takes parameters."),
    "Defences": (DEFENCES, "`defences.ID.parameters` of each `kind`."),
    "Attacks": (ATTACKS, "`attacks.ID.parameters` of each `kind`."),
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
# What the introduction says once for all.
SAID = (MOST, MOST_TOKENS)
PARAMETER, KEY = ("parameter", "values", "default"), ("key", "values", "default", "meaning")
TYPES = {int: "integer", float: "number", str: "text", bool: "`true`, `false`"}
NAMES = {"integer": "integer", "number": "number", "string": "text", "object": "mapping", "boolean": "`true`, `false`"}


def page() -> str:
    """The page in Markdown."""
    sections = [INTRODUCTION, "## Keys\n", _table(KEY, _rows(schema()))]
    for name, keys in definitions().items():
        title = ", ".join(f"`{key}`" for key in keys)
        sections += [f"### {title}\n", _table(KEY, _rows(schema()["$defs"][name]))]
    for title, (registry, introduction) in KINDS.items():
        sections += [f"## {title}\n", f"{introduction}\n"]
        sections += [_kind(registry, kind) for kind in registered(registry)]
    return "\n".join(sections)


def definitions() -> dict[str, list[str]]:
    """Every mapping with keys of its own that the schema defines, by name, and the keys that hold one."""
    keys: dict[str, list[str]] = {}

    def visit(part: dict, path: str) -> None:
        name = part["$ref"].rsplit("/", 1)[-1] if "$ref" in part else ""
        part = schema()["$defs"].get(name, part)
        if "properties" in part and name:
            keys.setdefault(name, []).append(path)
            if len(keys[name]) > 1:
                return
        for key, entry in part.get("properties", {}).items():
            visit(entry, f"{path}.{key}".lstrip("."))
        for inner, key in (("additionalProperties", "ID"), ("items", "N")):
            if isinstance(part.get(inner), dict):
                visit(part[inner], f"{path}.{key}")

    visit(schema(), "")
    return keys


def _rows(part: dict) -> list[tuple[str, str, str, str]]:
    """(key, values, default, meaning) of every key of a mapping."""
    rows = []
    for key, entry in part["properties"].items():
        default = "required" if key in part.get("required", ()) else _required_elsewhere(part, key)
        if entry.get("default", {}) != {}:
            default = f"`{json.dumps(entry['default'])}`"
        meaning = entry["description"] + (" *For people.*" if entry.get("x-display") else "")
        rows.append((f"`{key}`", _values(entry), default, meaning))
    return rows


def _required_elsewhere(part: dict, key: str) -> str:
    """In words, that a key is required where another one is not given."""
    others = part.get("if", {}).get("required", ())
    return f"required without `{others[0]}`" if key in part.get("else", {}).get("required", ()) else ""


def _values(part: dict) -> str:
    """What a key of the schema may be, in words."""
    name = part["$ref"].rsplit("/", 1)[-1] if "$ref" in part else ""
    part = schema()["$defs"].get(name, part)
    if name == "id":
        return "id"
    if "anyOf" in part:
        return " or ".join(map(_values, part["anyOf"]))
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if part["type"] == "array":
        return _list_of(_values(part["items"]))
    bounds = [f"{sign} {part[bound]}" for bound, sign in BOUNDS.items() if part.get(bound, MOST) not in SAID]
    return " ".join([NAMES[part["type"]], ", ".join(bounds)]).strip()


def _kind(registry: str, kind: str) -> str:
    """The section of one loss, defence or attack."""
    text = documentation(registry, kind).replace("``", "`").replace("<", "&lt;")
    parameters = parameters_of(registry, kind)
    rows = [(f"`{name}`", _accepted(entry), _default(entry)) for name, entry in parameters.items()]
    return f"### `{kind}`\n\n{text}\n" + (f"\n{_table(PARAMETER, rows)}" if rows else "")


def _accepted(parameter: Parameter) -> str:
    if parameter.words:
        return ", ".join(f"`{word}`" for word in parameter.words)
    limits = parameter.range
    signs = {"≥": limits.least, ">": limits.above, "≤": limits.most, "<": limits.below}
    bounds = [f"{sign} {bound}" for sign, bound in signs.items() if bound not in (None, *SAID)]
    accepted = " ".join([TYPES[parameter.type], ", ".join(bounds)]).strip()
    return _list_of(accepted) if parameter.listed else accepted


def _list_of(entry: str) -> str:
    """The values of a list with entries of these values: "integer ≥ 0" in the plural, words as they are."""
    if entry.startswith("`"):
        return f"list of {entry}"
    noun, *bounds = entry.split(" ", 1)
    return " ".join([f"list of {noun}s", *bounds])


def _default(parameter: Parameter) -> str:
    return "required" if parameter.default is Parameter.REQUIRED else f"`{json.dumps(parameter.default)}`"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
