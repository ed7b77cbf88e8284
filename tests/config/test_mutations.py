"""Mutated configurations: each is accepted with a right result, or refused in one line that names the key.

Every run makes the same inputs: hypothesis draws them from a fixed seed.
"""

import copy
import json
import re
from collections import Counter
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from studies import ROOT, STUDIES, load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.config.overlays import base_studies
from unlearning_robustness.config.plain_values import number_problem
from unlearning_robustness.config.schema import without_display
from unlearning_robustness.config.yaml_text import check_text
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.parameters import Parameters
from unlearning_robustness.workflow.paths import Paths
from unlearning_robustness.workflow.report import Report
from unlearning_robustness.workflow.requests import Requests
from unlearning_robustness.workflow.study import loaded, merged
from unlearning_robustness.workflow.targets import Targets

FIXED = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
)
MUTATED = ("ci", "stableun", "world", "tofu")
GONE = object()
HOSTILE = [
    None, True, 0, -1, 1, 2, 99, 10**15, 2**64, -(10**15), 0.0, -0.5, 0.5, 1e-300, 1e300, float("nan"), float("inf"),
    "", " ", "none", "seed0", "a..", "a\nb", "a\n", "a\0b", "a\u2028b", "\ud800", "{x}", "{% x %}", "{{ x }}", "../x",
    "/", "--help", "https://host/x", "1e-5", "x" * 10_000, [], [[]], [None], {}, {"": 1}, {1: 2}, {None: 1},
    {"a\nb": {}}, {"like": "rmu"}, {"like": ["rmu"]}, "reference", ["reference"], b"bytes", {1, 2},
]  # fmt: skip
values = st.sampled_from(HOSTILE) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@cache
def places(name):
    """The study's configuration and the way to everything in it."""
    config = load_study(name)
    return config, list(_ways(config))


def _ways(value, way=()):
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _ways(entry, (*way, key))


def at(value, way):
    for key in way:
        value = value[key]
    return value


def mutated(value, way, new):
    """A copy of the value with another entry, or none, where the way leads; what it does not touch is shared."""
    first, *rest = way
    copied = list(value) if isinstance(value, list) else dict(value)
    if rest:
        copied[first] = mutated(value[first], rest, new)
    elif new is GONE:
        del copied[first]
    else:
        copied[first] = new
    return copied


@st.composite
def mutations(draw):
    """(way, configuration) of a study with an entry replaced, taken away, or put where another one stands."""
    config, ways = places(draw(st.sampled_from(MUTATED)))
    way = draw(st.sampled_from(ways))
    new = draw(values | st.just(GONE) | st.sampled_from(ways).map(lambda other: at(config, other)))
    return way, mutated(config, way, new)


def refusal(act):
    """The line that refuses something, or None; any other error ends the test."""
    try:
        act()
    except ConfigError as error:
        line = str(error)
        assert len(line.splitlines()) == 1 and line.isprintable() and len(line) < 1300, line
        return line
    return None


def check_accepted(config):
    """What is accepted can be planned: plain values, paths of its own, every file once."""
    resolved = resolve(config)
    assert json.loads(json.dumps(resolved, allow_nan=False)) == resolved
    assert [number for number in _numbers(resolved) if number_problem(number)] == []
    paths, science = Paths(resolved), without_display(resolved)
    targets = Targets(resolved, paths)
    Requests(resolved, Parameters(science, paths))
    files = [
        *targets.records,
        *targets.cell_measures,
        *targets.searches,
        *Report(resolved, science, paths, targets).files,
    ]
    assert files and len(set(files)) == len(files)
    for path in files:
        assert path.startswith((f"{paths.tree}/", f"{paths.results}/")) and path.isprintable(), path
        assert not {"..", ""} & set(path.removeprefix("/").removeprefix("../").split("/")), path
        assert not re.search(r"[{}*?\[\]]", path), path


def _numbers(value):
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _numbers(entry)
    elif isinstance(value, int | float):
        yield value


def test_a_mutated_configuration_is_right_or_refused_in_one_line_that_names_the_key():
    counted = Counter()

    @settings(FIXED, max_examples=600)
    @given(mutations())
    def one(mutation):
        way, config = mutation
        line = refusal(lambda: check_accepted(config))
        counted["refused" if line else "accepted"] += 1
        if line:
            key = re.match(r"\w[^\s:]*(?=:)", line)
            assert key, line
            counted["named"] += key[0].split(".")[0] in (str(way[0]), "config")

    one()
    # Others are seen only where another entry names what is gone.
    assert counted["refused"] > 400 and counted["accepted"] > 20 and counted["named"] > 0.8 * counted["refused"]


@st.composite
def texts(draw):
    """The text of a study with a line twice, gone, elsewhere, or with other signs in it."""
    lines = (STUDIES / "ci.yaml").read_text().splitlines()
    index, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    signs = st.sampled_from(
        ["\t", ": ", "- ", "[", "}", "*a", "&a ", "!!x ", "<<: ", "'", "010", "1:30", "\0", "é", "? "]
    )
    match draw(st.sampled_from(["twice", "gone", "moved", "signs", "indented", "any"])):
        case "twice":
            lines.insert(index, lines[other])
        case "gone":
            del lines[index]
        case "moved":
            lines.insert(index, lines.pop(other))
        case "signs":
            column = draw(st.integers(0, len(lines[index])))
            lines[index] = lines[index][:column] + draw(signs) + lines[index][column:]
        case "indented":
            lines[index] = " " * draw(st.integers(1, 3)) + lines[index]
        case _:
            lines[index] = draw(st.text(max_size=20))
    return "\n".join(lines)


def test_a_mutated_file_is_read_as_it_stands_or_refused_in_one_line_that_names_file_and_line(tmp_path):
    path, base, counted = tmp_path / "study.yaml", merged([ROOT / "config.yaml"], {}), Counter()

    def read():
        check_text(path)
        stated = loaded(path)
        counted["read"] += 1
        base_studies(stated, STUDIES)
        config = copy.deepcopy(base)
        update_config(config, stated)
        resolve(config)

    @settings(FIXED, max_examples=150)
    @given(texts())
    def one(text):
        path.write_text(text, errors="surrogatepass")
        line = refusal(read)
        counted["refused"] += bool(line)
        counted["named"] += bool(line) and line.startswith(f"{path}")

    one()
    assert counted["refused"] > 50 and counted["named"] > 30 and counted["read"] > 30
