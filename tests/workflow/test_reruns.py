"""Which rules run again when one key of the default configuration changes: every leaf, one at a time.

What Snakemake compares of a job (its parameters and the paths that it reads and writes) is evaluated from the rules
themselves in this process; real dry runs confirm it.
"""

import copy
import functools
import re
from types import SimpleNamespace

import pytest
from running import unchanged_process
from snakemake import api  # noqa: F401  (comes before the module workflow)
from snakemake import workflow as snakemake_workflow
from snakemake.common import configfile
from snakemake.iocontainers import Wildcards

from unlearning_robustness.workflow import parameters
from unlearning_robustness.workflow.debug import load_workflow

# Rules that no model takes part in: tables, figures, pages.
SHOWN = {"tables", "tuning", "figure", "findings", "claims", "published", "landing"}
GROUPS = {"all", "records", "figures", "plan"}
MODEL = "smollm2-135m-instruct"
WITH_MODEL = {"attack", "build_prefix", "build_questions", "cache_activations", "evaluate", "tune", "unlearn"}
WRITTEN_FOR_PEOPLE = re.compile(
    r"study\.(title|settings|figures)|models\.[^.]+\.(license|note|shape\..*|download_mb)|"
    r"(probes|methods|defences|attacks)\.[^.]+\.label|analysis\..*|claims\..*|expected\..*"
)
# Which computing rules run again, for keys that reach no single method, defence, attack or probe; first match counts.
RERUN = [
    (r"scoring\.batch_size", WITH_MODEL - {"cache_activations"}),
    (r"scoring\.splits", {"build_probes", "attack"}),
    (r"tuning\.(utility_bound|forget_margin)", {"choose_tuned"}),
    (r"tuning\.seeds", {"choose_tuned"}),
    (r"tuning\..*", {"tune"}),
    (rf"models\.{MODEL}\.(device|dtype|placement)", WITH_MODEL),
    (rf"models\.{MODEL}\..*", WITH_MODEL | {"fetch_model"}),
    (r"benchmarks\.elements\.seed", {"build_corpora", "build_questions", "build_probes"}),
    (r"benchmarks\.elements\.forget\.(domain|splits\..*)", {"build_corpora", "build_questions", "build_probes"}),
    (r"benchmarks\.elements\.neighbour\.domain", {"build_corpora", "build_questions"}),
    (r"benchmarks\.elements\.(forget|retain|neighbour|distractors|neighbour_minimum)\b.*", {"build_questions"}),
    (r"benchmarks\.elements\.corpora\.characteristic_ngrams", {"build_probes"}),
    (r"benchmarks\.elements\.corpora\.perplexity_tokens", {"evaluate"}),
    (r"benchmarks\.elements\.corpora\..*", {"build_corpora"}),
    (r"gpu_environment|study\.name", set()),
]
# What no other value of its kind can take the place of, and why.
FIXED = {
    r"study\.(models|benchmarks|results|reuse_results|cells\..*|seeds|probes)|batch_seeds": "says which jobs there are",
    r".*\.(kind|forget_loss)": "another kind takes other parameters",
}

# What has no other valid value alone: nulls and empty lists, and what goes with another key.
ALONE = [
    r"(analysis|study)\.\w+|.*\.without_subjects",
    r"attacks\.gcg.*\.parameters\.(layer|match|role)|attacks\.(logit-lens|orthogonalise)\.parameters\.layers",
    r"attacks\.relearn.*\.parameters\.(documents|epochs|steps|order|trained|rank)",
    r"methods\..*\.(parallel\.sharded|retain_loss)",
    r"probes\.(plain|options|letter)\.(insert|count)",
    r"scoring\.splits",
]


def leaves(value, path=()):
    """(path, value) of everything that is not a mapping, nor a list of mappings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def others(value, said=""):
    """Values of the same kind; for a word also those that the message ``said`` about a wrong one names."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 1.5, value / 2] if value else [0.5, 0.01]
    if isinstance(value, str):
        return [value + "x", *re.findall(r"[a-z0-9][\w.-]*", said.rpartition("one of")[2]), value[::-1]]
    if isinstance(value, list) and value:
        changed = [[*value[:-1], other] for other in others(value[-1], said)] if not isinstance(value[-1], list) else []
        return [*changed, value[:-1], value[1:], [value[0] - 1, *value] if isinstance(value[0], int) else value[::-1]]
    return []


def replaced(part, path, value):
    """A copy of ``part`` with another value at ``path``; the rest is shared."""
    if not path:
        return value
    copied = dict(part) if isinstance(part, dict) else list(part)
    copied[path[0]] = replaced(part[path[0]], path[1:], value)
    return copied


class Rules:
    """The rules of the Snakefile under one configuration, and what Snakemake compares of their jobs."""

    def __init__(self, config=None):
        self.recorded = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snakemake_workflow.Workflow, "rule", self.record)
            workflow = load_workflow(config=config)
        self.config = workflow.globals["study"].config

    def record(self, name, **_):
        """Keeps a rule's directives, without the cost of making a rule of them."""

        def decorate(directives):
            self.recorded[name] = directives
            files = SimpleNamespace(output=Files(directives.output), input=Files(directives.input))
            directives.func.__globals__["rules"]._register_rule(name, files)

        return decorate

    def compared(self, job):
        """What Snakemake compares of a job; None for one that is no longer there."""
        rule, wildcards = self.recorded[job[0]], Wildcards(fromdict=dict(job[1]))
        try:
            return [
                repr([value(wildcards) if callable(value) else value for value in values])
                for values in (Files(rule.input), Files(rule.output), rule.params[1].values() if rule.params else ())
            ]
        except (KeyError, ValueError):
            return None


class Files(list):
    """Paths and functions of an ``input`` or ``output`` directive, also by their names."""

    def __init__(self, directive):
        paths, named = (directive.paths, directive.kwpaths) if directive else ((), {})
        super().__init__(getattr(path, "callable", None) or path for path in (*paths, *named.values()))
        vars(self).update(named)


def edited(config, path, value):
    """Rules under another valid value at ``path``; or why there is none."""
    said = ""
    for _ in range(2):
        for other in others(value, said):
            try:
                rules = Rules(replaced(config, path, other))
                if rules.config != config:
                    return rules, ""
            except SystemExit as error:
                said = str(error)
    return None, said


def default_jobs():
    """(rule, wildcards) of everything that the default study and its tuning are made of."""
    rules = [rule for rule in load_workflow().rules if rule.name not in GROUPS]
    named = {rule.name: rule for rule in rules}
    found, waiting = {}, [*named["landing"].output, *named["tuning"].output, *named["tables"].input]
    while waiting:
        path = str(waiting.pop())
        for rule in rules:
            if rule.is_producer(path):
                job = (rule.name, tuple(sorted(rule.get_wildcards(path).items())))
                if job not in found:
                    found[job] = None
                    waiting += rule.expand_input(dict(job[1]))[0]
    return list(found)


@pytest.fixture(scope="module")
def fast():
    """Files are read and parsed once, and code is digested once: neither depends on what is edited."""
    with pytest.MonkeyPatch.context() as patch, unchanged_process():
        parse, read = snakemake_workflow.parse, functools.cache(configfile.load_configfile)
        parsed = {}

        def parse_once(snakefile, workflow, rulecount=0, linemap=None):
            path = snakefile.get_path_or_uri(secret_free=True)
            if path not in parsed:
                lines = {}
                code, count = parse(snakefile, workflow, rulecount=rulecount, linemap=lines)
                parsed[path] = code, count - rulecount, lines
            code, count, lines = parsed[path]
            linemap.update(lines)
            return code, rulecount + count

        patch.setattr(snakemake_workflow, "parse", parse_once)
        patch.setattr(snakemake_workflow, "compile", functools.cache(compile), raising=False)
        patch.setattr(configfile, "load_configfile", lambda path: copy.deepcopy(read(path)))
        patch.setattr(parameters, "code_digest", functools.cache(parameters.code_digest))
        yield


@pytest.fixture(scope="module")
def default(fast):
    """The resolved default configuration, and what is compared of each of its jobs."""
    rules = Rules()
    return rules.config, {job: rules.compared(job) for job in default_jobs()}


def changed_jobs(default, rules):
    """(rule, wildcards) of the jobs that run again of themselves."""
    now = {job: rules.compared(job) for job in default[1]}
    return [(job[0], dict(job[1])) for job, then in default[1].items() if now[job] not in (None, then)]


def concerned(config, path):
    """The computing rules that a key of one method, defence, attack or probe reaches."""
    (axis, name, *rest), tuning = path, config["tuning"]
    if axis == "probes":
        return {"build_probes"} if name in config["study"]["probes"] else set()
    trained = rest[1] if rest[0] == "per_method" else name if axis == "methods" else None
    used = any(
        name in (part for entry in grid[axis] for part in entry.split(".")) and trained in (None, *grid["methods"])
        for grid in config["study"]["cells"]
    )
    if axis == "attacks":
        tuned = name == tuning["attack"]["attack"]
        return {rule for rule, reached in (("attack", used), ("tune", tuned)) if reached}
    tuned = name in tuning["methods"]
    if axis == "defences":
        tuned = name == tuning["noise"]["defence"] and trained in (None, *tuning["noise"]["methods"])
    return {rule for rule, reached in (("unlearn", used), ("tune", tuned)) if reached}


def expected(config, path):
    """The computing rules that must run again of themselves."""
    key = ".".join(map(str, path))
    if WRITTEN_FOR_PEOPLE.fullmatch(key):
        return set()
    if path[0] in ("probes", "methods", "defences", "attacks"):
        return concerned(config, path)
    return next(rules for pattern, rules in RERUN if re.fullmatch(pattern, key))


def belongs(path, rule, wildcards):
    """Whether a computing job is of the one method, defence, attack or probe that a key belongs to."""
    axis, name = path[:2]
    searched = {"attacks": "attack", "defences": "noise"}
    if axis not in ("methods", "defences", "attacks"):
        return True
    if rule == "tune" and axis in searched:
        return wildcards["kind"] == searched[axis]
    return name in wildcards[axis.removesuffix("s")].split(".") or (axis == "methods" and wildcards["method"] == name)


SECTIONS = (
    "analysis", "attacks", "benchmarks", "defences", "methods", "models", "probes", "scoring", "study", "tuning",
)  # fmt: skip


def test_every_section_of_the_configuration_is_edited(default):
    empty = {name for name, value in default[0].items() if not value or not isinstance(value, dict)}
    assert set(default[0]) - empty == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_change_reruns_what_reads_it_and_nothing_else(default, section):
    config, wrong, unchanged = default[0], {}, {}
    for path, value in leaves(config[section], (section,)):
        key = ".".join(map(str, path))
        if any(re.fullmatch(pattern, key) for pattern in FIXED):
            continue
        rules, reason = edited(config, path, value)
        if rules is None:
            unchanged[key] = reason
            continue
        jobs = [job for job in changed_jobs(default, rules) if job[0] not in SHOWN]
        if {rule for rule, _ in jobs} != expected(config, path):
            wrong[key] = (sorted({rule for rule, _ in jobs}), sorted(expected(config, path)))
        strangers = [job for job in jobs if not belongs(path, *job)]
        if strangers:
            wrong[key] = strangers
    assert not wrong
    assert not [key for key in unchanged if not any(re.fullmatch(pattern, key) for pattern in ALONE)], unchanged
