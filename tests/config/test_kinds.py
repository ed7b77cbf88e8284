"""Declarations read without torch against the classes themselves."""

import dataclasses
import importlib
import subprocess
import sys
import typing

import pytest

from unlearning_robustness.config import kinds
from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, FORGET_LOSSES, RETAIN_LOSSES, Kinds
from unlearning_robustness.errors import ConfigError

FUNCTIONS = (kinds.FIGURES, kinds.PAGES)
PAIRS = [(registry, kind) for registry in kinds.MEMBERS if registry not in FUNCTIONS for kind in Kinds(registry)]


def test_a_room_s_kinds_are_its_files():
    assert list(Kinds(FORGET_LOSSES)) == "adaptive-rmu dpo gradient-ascent npo rab rmu rsv simnpo".split()
    assert list(Kinds(RETAIN_LOSSES)) == "activation kl mse nll".split()
    assert {"weight-noise", "sam", "stableun"} < set(Kinds(DEFENCES)) and "base" not in Kinds(DEFENCES)
    assert {"weight-noise", "gcg"} < set(Kinds(ATTACKS)) and "insertion" not in Kinds(ATTACKS)


@pytest.mark.parametrize("registry", kinds.MEMBERS)
def test_a_registry_gives_the_class_or_function_of_the_file(registry):
    for kind, entry in Kinds(registry).items():
        module = importlib.import_module(f"unlearning_robustness.{kinds.module_of(registry, kind)}")
        assert entry is getattr(module, kinds.registered(registry)[kind])


@pytest.mark.parametrize(("registry", "kind"), PAIRS)
def test_a_declaration_is_what_the_class_declares(registry, kind):
    real, read = Kinds(registry)[kind], kinds.declaration(registry, kind)
    fields = [[(field.name, field.default) for field in dataclasses.fields(entry)] for entry in (real, read)]
    hints = [typing.get_type_hints(entry, include_extras=True) for entry in (real, read)]
    assert fields[0] == fields[1] and hints[0] == hints[1]
    constants = {name for name, hint in hints[0].items() if typing.get_origin(hint) is typing.ClassVar}
    assert {name: getattr(real, name) for name in constants} == {name: getattr(read, name) for name in constants}


@pytest.mark.parametrize(("registry", "kind"), [pair for pair in PAIRS if pair[0] in (DEFENCES, ATTACKS)])
def test_facts_are_those_of_the_class(registry, kind):
    real, read = Kinds(registry)[kind].Facts, kinds.facts_of(registry, kind)
    assert real.__bases__ == read.__bases__
    for name, value in vars(real).items():
        if isinstance(value, staticmethod | classmethod):
            assert value.__func__.__code__.co_code == vars(read)[name].__func__.__code__.co_code
        elif not name.startswith("__"):
            assert value == vars(read)[name]


def test_reading_every_declaration_imports_no_torch():
    code = (
        "import sys; from unlearning_robustness.config.kinds import MEMBERS, FIGURES, PAGES, Kinds, declaration\n"
        "for registry in MEMBERS:\n"
        "    for kind in Kinds(registry):\n"
        "        registry in (FIGURES, PAGES) or declaration(registry, kind)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(kinds.PACKAGE.parent)})


def test_what_defences_and_losses_say_of_themselves():
    acting = {kind: kinds.facts_of(DEFENCES, kind).acts_on for kind in Kinds(DEFENCES)}
    by_branch = {branch: sorted(kind for kind in acting if acting[kind] == branch) for branch in set(acting.values())}
    assert by_branch["reference"] == ["constant-shift", "gradient-noise", "rna"]
    assert by_branch["retain"] == ["dropout", "latent-noise"]
    without = [kind for kind in Kinds(RETAIN_LOSSES) if not kinds.declaration(RETAIN_LOSSES, kind).needs_reference]
    assert without == ["nll"] and kinds.reads_of(FORGET_LOSSES, "npo") == "logits"


def test_colours_and_markers_of_kinds_differ():
    looks = [kinds.facts_of(DEFENCES, kind) for kind in Kinds(DEFENCES)]
    markers = [look.marker for look in looks if look.marker]
    assert len(set(markers)) == len(markers) >= 5
    assert all(bool(look.marker) == bool(look.colours) for look in looks)


def test_an_unknown_kind_is_named_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"'rmv'.*npo, rab, rmu, rsv, simnpo"):
        kinds.declaration(FORGET_LOSSES, "rmv")
