import dataclasses
import importlib
import typing

import pytest

from unlearning_robustness.config.parameters import (
    REQUIRED,
    complete,
    declared,
    module_of,
    parameters_of,
    reads_of,
    registered,
)
from unlearning_robustness.errors import ConfigError

REGISTRIES = ["methods.FORGET_LOSSES", "methods.RETAIN_LOSSES", "defences.DEFENCES", "attacks.ATTACKS"]


def imported(registry):
    room, name = registry.split(".")
    return getattr(importlib.import_module(f"unlearning_robustness.{room}"), name)


PAIRS = [(registry, kind) for registry in REGISTRIES for kind in imported(registry)]


@pytest.mark.parametrize("registry", [*REGISTRIES, "figures.FIGURES"])
def test_kinds_read_from_the_source_are_those_that_are_imported(registry):
    assert list(registered(registry)) == list(imported(registry))


@pytest.mark.parametrize(("registry", "kind"), PAIRS)
def test_parameters_read_from_the_source_are_the_fields_of_the_class(registry, kind):
    entry = imported(registry)[kind]
    hints, fields = typing.get_type_hints(entry), dataclasses.fields(entry)
    read = parameters_of(registry, kind)
    assert list(read) == [field.name for field in fields]
    for field in fields:
        parameter, hint = read[field.name], hints[field.name]
        given = REQUIRED if field.default is dataclasses.MISSING else field.default
        assert parameter.default == given
        assert parameter.optional == (type(None) in typing.get_args(hint))
        if parameter.optional:
            (hint,) = set(typing.get_args(hint)) - {type(None)}
        if typing.get_origin(hint) is typing.Literal:
            assert parameter.words == typing.get_args(hint)
        else:
            assert parameter.words is None
            assert (typing.get_origin(hint) or hint) in parameter.types
            assert parameter.numbers == (hint == list[float])


@pytest.mark.parametrize(("registry", "kind"), PAIRS)
def test_the_module_named_is_the_one_that_declares_the_class(registry, kind):
    entry = imported(registry)[kind]
    assert f"unlearning_robustness.{module_of(registry, kind)}" == entry.__module__


@pytest.mark.parametrize(("registry", "kind"), [pair for pair in PAIRS if pair[0].startswith("methods")])
def test_what_a_loss_reads_is_what_its_class_says(registry, kind):
    assert reads_of(registry, kind) == imported(registry)[kind].reads


@pytest.mark.parametrize(("registry", "kind"), PAIRS)
@pytest.mark.parametrize("name", ["acts_on", "needs_reference"])
def test_a_class_variable_is_read_as_the_class_has_it(registry, kind, name):
    assert declared(registry, kind, name, None) == getattr(imported(registry)[kind], name, None)


def test_what_defences_and_losses_say_of_themselves():
    acting = {kind: declared("defences.DEFENCES", kind, "acts_on", None) for kind in imported("defences.DEFENCES")}
    by_branch = {branch: sorted(kind for kind in acting if acting[kind] == branch) for branch in set(acting.values())}
    assert by_branch["reference"] == ["constant-shift", "gradient-noise", "rna"]
    assert by_branch["retain"] == ["dropout", "latent-noise"]
    assert declared("methods.RETAIN_LOSSES", "nll", "needs_reference") is False


def test_defaults_are_filled_in_and_given_values_kept():
    assert complete("methods.FORGET_LOSSES", "rmu", {"coefficient": 3}, "k") == {
        "coefficient": 3,
        "steering": "uniform",
    }
    given = {"coefficient": 3, "steering": "gaussian"}
    assert complete("methods.FORGET_LOSSES", "rmu", given, "k") == given


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("weight-noise", {"scales": [0.1, "1e-5"]}, r"k.scales: must be a list of numbers.*in YAML write 1.0e-5"),
        ("weight-noise", {"scales": [0.1, -1]}, "k.scales: must be a list of numbers, none negative"),
        ("weight-noise", {"scales": []}, "k.scales: must be a list of numbers"),
        ("weight-noise", {"scales": [True]}, "k.scales: must be a list of numbers"),
        ("weight-noise", {"scales": [float("inf")]}, "k.scales: must be a list of numbers"),
        ("weight-noise", {"scales": 0.1}, "k.scales: must be a list, not 0.1"),
        ("quantise", {"bits": [4.0], "group_size": 8}, r"k.bits: must be a list of counts, not \[4.0\]"),
    ],
)
def test_a_list_has_counts_or_numbers_as_it_is_declared(kind, given, said):
    with pytest.raises(ConfigError, match=said):
        complete("attacks.ATTACKS", kind, given, "k")
    assert complete("attacks.ATTACKS", "weight-noise", {"scales": [0, 0.1]}, "k") == {"scales": [0, 0.1]}


def test_an_unknown_kind_is_named_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"'rmv'.*npo, rab, rmu, rsv, simnpo"):
        parameters_of("methods.FORGET_LOSSES", "rmv")
