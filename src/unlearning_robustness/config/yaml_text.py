"""What YAML reads without a word, and its writer did not mean: a key that stands twice, 010 as 8, 1:30 as 90."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from unlearning_robustness.errors import ConfigError

# The fast one, where it is built in.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
PLAIN = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def check_text(path: Path) -> None:
    """Raise ConfigError, one line with file and line, for the first key that stands twice or number in an odd form."""
    try:
        document = yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", error)).split())
        raise ConfigError(f"{path}{where}: is no YAML ({reason}): correct it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: correct its name") from None
    for node, problem in _problems(document, set()):
        raise ConfigError(f"{path}, line {node.start_mark.line + 1}: {problem}")


def _problems(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[yaml.Node, str]]:
    # An anchor gives the same node wherever it is named.
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if node.tag in NUMBERS and not PLAIN.fullmatch(node.value):
            value = yaml.safe_load(node.value)
            yield node, f"YAML reads {node.value} as {value}: write {value}, or {node.value!r} for a text"
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _problems(entry, seen)
    else:
        yield from _repeated(node)
        for pair in node.value:
            for entry in pair:
                yield from _problems(entry, seen)


def _repeated(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, str]]:
    lines: dict[tuple[str, str], int] = {}
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if line := lines.get((key.tag, key.value)):
            yield key, f"the key {key.value!r} stands in line {line} already: leave one of them out"
        lines[key.tag, key.value] = key.start_mark.line + 1
