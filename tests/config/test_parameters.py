"""Which parameters a kind takes, and which values."""

import math

import pytest

from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, FORGET_LOSSES
from unlearning_robustness.config.parameters import Parameter, complete, parameters_of
from unlearning_robustness.config.ranges import MOST, Range
from unlearning_robustness.errors import ConfigError


def test_a_parameter_is_what_its_annotation_says():
    relearn, gcg = parameters_of(ATTACKS, "relearn"), parameters_of(ATTACKS, "gcg")
    assert relearn["documents"].listed and relearn["documents"].type is int
    assert relearn["documents"].default is Parameter.REQUIRED and not relearn["documents"].optional
    assert relearn["epochs"].optional and relearn["epochs"].default is None
    assert relearn["schedule"].words == ("constant", "linear") and relearn["schedule"].default == "constant"
    assert gcg["layer"].optional and gcg["layer"].range == Range(least=0, most=MOST) and gcg["layer"].type is int
    assert parameters_of(DEFENCES, "stableun")["hws_decay"].range == Range(least=0, below=1)


def test_defaults_are_filled_in_and_given_values_kept():
    assert complete(FORGET_LOSSES, "rmu", {"coefficient": 3}, "k") == {"coefficient": 3, "steering": "uniform"}
    settings = {"coefficient": 3, "steering": "gaussian"}
    assert complete(FORGET_LOSSES, "rmu", settings, "k") == settings


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("weight-noise", {"scales": [0.1, "1e-5"]}, r"k.scales: must be a list of numbers.*in YAML write 1.0e-5"),
        ("weight-noise", {"scales": [0.1, -1]}, "k.scales: must be at least 0, not -1"),
        ("weight-noise", {"scales": []}, "k.scales: must be a list of numbers"),
        ("weight-noise", {"scales": [True]}, "k.scales: must be a list of numbers, not True"),
        ("weight-noise", {"scales": [math.inf]}, "k.scales: must be a finite number, not inf"),
        ("weight-noise", {"scales": 0.1}, "k.scales: must be a list of numbers with at least one entry, not 0.1"),
        ("quantise", {"bits": [4.0], "group_size": 8}, r"k.bits: must be a list of integers, not 4.0"),
        ("quantise", {"bits": [32], "group_size": 8}, "k.bits: must be at most 16, not 32; 0 is no rounding"),
        ("quantise", {"bits": [4], "group_size": True}, "k.group_size: must be an integer, not True"),
    ],
)
def test_a_list_has_entries_of_its_type_and_range(kind, settings, message):
    with pytest.raises(ConfigError, match=message):
        complete(ATTACKS, kind, settings, "k")
    assert complete(ATTACKS, "weight-noise", {"scales": [0, 0.1]}, "k") == {"scales": [0, 0.1]}


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Range(least=0), [0, 3.5], [-0.1, math.nan]),
        (Range(above=0), [1e-9], [0, -1.0]),
        (Range(least=0, below=1), [0, 0.999], [1, 1.5]),
        (Range(most=1), [-5, 1], [1.01, math.inf]),
    ],
)
def test_a_range_holds_its_numbers_and_no_others(allowed, inside, outside):
    assert [allowed.problem(value) for value in inside] == [None] * len(inside)
    assert all(allowed.problem(value) for value in outside)
