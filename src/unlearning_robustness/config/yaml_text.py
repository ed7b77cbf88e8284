"""What YAML reads without a word, and its writer did not mean: a key that stands twice, 010 as 8, 1:30 as 90, a date.

Templates that Snakemake would run as code (yte) are no configuration, and neither is a mapping that holds itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from unlearning_robustness.errors import ConfigError

# The fast one, where it is built in.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
DATE = "tag:yaml.org,2002:timestamp"
PLAIN = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Of a number; Python itself refuses to read one of some thousand.
MOST_DIGITS = 40
# Of nodes within nodes.
DEEPEST = 50
# Snakemake takes a file with this key for a template, and runs the Python in it.
TEMPLATE = "__use_yte__"


def check_text(path: Path) -> None:
    """Raise ConfigError, one line with file and line, for the first thing in a file that reads as something else."""
    try:
        text = path.read_text(encoding="utf-8")
        _check_depth(path, text)
        document = yaml.compose(text, Loader=LOADER)
        problem = next(_problems(document, set(), set()), None)
        if not problem:
            yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{path}{where}: is no YAML ({reason}): correct it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: correct its name") from None
    if problem:
        node, reason = problem
        raise ConfigError(f"{path}, line {node.start_mark.line + 1}: {reason}")


def _check_depth(path: Path, text: str) -> None:
    """Raise ConfigError for nodes within nodes to a depth that nothing has, at which the loader would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(f"{path}, line {event.start_mark.line + 1}: is nested too deeply: write it flat")


def _problems(node: yaml.Node | None, seen: set[int], around: set[int]) -> Iterator[tuple[yaml.Node, str]]:
    """(node, problem) of a node and all in it, but those ``seen``; it stands in the nodes ``around`` it."""
    if node is not None and id(node) in around:
        yield node, "this holds itself by its anchor: write it out"
    # An anchor gives the same node wherever it is named.
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if problem := _scalar_problem(node):
            yield node, problem
        return
    around = around | {id(node)}
    if isinstance(node, yaml.MappingNode):
        yield from _repeated(node)
        inner = [entry for pair in node.value for entry in pair]
    else:
        inner = node.value
    for entry in inner:
        yield from _problems(entry, seen, around)


def _scalar_problem(node: yaml.ScalarNode) -> str | None:
    text = node.value
    if node.tag == DATE:
        return f"YAML reads {text} as a date: put it in quotation marks"
    if node.tag in NUMBERS and len(text) > MOST_DIGITS:
        return f"{text[:MOST_DIGITS]}… is too long for a number: shorten it"
    if node.tag in NUMBERS and not PLAIN.fullmatch(text):
        value = yaml.safe_load(text)
        return f"YAML reads {text} as {value}: write {value}, or {text!r} for a text"
    return None


def _repeated(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, str]]:
    lines: dict[tuple[str, str], int] = {}
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if key.value == TEMPLATE:
            yield key, f"{TEMPLATE} makes this a template with code in it: write what it gives, and leave it out"
        if line := lines.get((key.tag, key.value)):
            yield key, f"the key {key.value!r} stands in line {line} already: leave one of them out"
        lines[key.tag, key.value] = key.start_mark.line + 1
