"""The rules of the Snakefile under an edited configuration, evaluated in this process."""

import copy
import functools
import re
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from running import unchanged_process
from snakemake import api  # noqa: F401  (comes before the module workflow)
from snakemake import workflow as snakemake_workflow
from snakemake.common import configfile
from snakemake.iocontainers import Wildcards

from unlearning_robustness.workflow import parameters, report
from unlearning_robustness.workflow.debug import load_workflow

GROUPS = {"all", "records", "figures", "plan"}


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
            # A rule of a loop says its name inside.
            named = directives.name or name
            self.recorded[named] = directives
            files = SimpleNamespace(output=Files(directives.output), input=Files(directives.input))
            directives.func.__globals__["rules"]._register_rule(named, files)

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
                said = f"{said} {error}"
    return None, said


def default_jobs():
    """(rule, wildcards) of everything that the default study and its tuning are made of."""
    named = {rule.name: rule for rule in load_workflow().rules}
    rules = [rule for rule in named.values() if rule.name not in GROUPS]
    found, waiting = {}, [*named["all"].input, *named["tuning"].output]
    while waiting:
        path = str(waiting.pop())
        for rule in rules:
            if rule.is_producer(path):
                job = (rule.name, tuple(sorted(rule.get_wildcards(path).items())))
                if job not in found:
                    found[job] = None
                    waiting += rule.expand_input(dict(job[1]))[0]
    return list(found)


@contextmanager
def reading_once():
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
        for module in (parameters, report):
            patch.setattr(module, "code_digest", functools.cache(module.code_digest))
        yield


def outputs_of(jobs):
    """(path, whether it is a folder) of everything that jobs make."""
    rules = {rule.name: rule for rule in load_workflow().rules}
    for name, wildcards in jobs:
        for path in rules[name].expand_output(dict(wildcards))[0]:
            yield str(path), bool(path.flags.get("directory"))
