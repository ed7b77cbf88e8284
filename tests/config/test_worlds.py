"""Models of generated worlds go with their own benchmark, and differ in nothing but what they may differ in."""

import pytest

from studies import load_study
from unlearning_robustness.config import ConfigError, resolve
from unlearning_robustness.config.cells import attacked_cells, places
from unlearning_robustness.config.worlds import learners


def test_each_model_unlearns_its_own_world_alone():
    config = load_study("world")
    worlds = [(f"world-{number}", f"world-{number}") for number in range(3)]
    assert places(resolve(config)["study"]) == worlds
    config["study"]["models"].append("smollm2-135m-instruct")
    config["study"]["benchmarks"].append("elements")
    for method in config["methods"].values():
        for checkpoint in (method.get("checkpoint"), method.get("after", {}).get("checkpoint")):
            if isinstance(checkpoint, dict):
                checkpoint["smollm2-135m-instruct"] = "world-0"
    mixed = resolve(config)["study"]
    assert places(mixed) == [*worlds, ("smollm2-135m-instruct", "elements")]
    assert {(cell.model, cell.benchmark) for cell, _ in attacked_cells(mixed)} == set(places(mixed))


def test_pairs_can_be_said():
    config = load_study("world")
    config["study"] |= {"models": ["world-0"], "benchmarks": ["world-0"], "pairs": [["world-0", "world-0"]]}
    assert places(resolve(config)["study"]) == [("world-0", "world-0")]


def test_the_models_of_a_world_are_those_of_the_study_and_their_retrained_ones():
    config = resolve(load_study("world"))
    assert learners(config, "world-1") == ["world-1", "world-1-retrained", "world-1-retrained-again"]
    assert learners(config, "elements") == []
    assert config["models"]["world-1"]["shape"] == config["models"]["world-1"]["generated"]["shape"]


def changed(way: str, value):
    """The study with another value of a key."""
    config = load_study("world")
    *outer, last = way.split(".")
    entry = config
    for key in outer:
        entry = entry.setdefault(key, {})
    entry[last] = value
    return config


REFUSED = {
    ("study.pairs", (("world-0", "world-1"),)): "study.pairs: 'world-0' knows nothing of the world of 'world-1'",
    ("study.pairs", (("world-0", "world-0"),)): "study.models: 'world-1' goes with none of the others",
    ("study.benchmarks", ("world-0", "world-1", "elements")): "study.models: 'world-2' goes with none of the others",
    ("models.world-0.generated.benchmark", "elements"): "'elements' is no benchmark with a world",
    ("models.world-0-retrained.generated.steps", 7): "models.world-0-retrained.generated.steps: 7 differs from",
    ("benchmarks.world-0.retain.domain", "geography"): "benchmarks.world-0.retain.domain: every role",
    ("benchmarks.elements.forget.domain", "world"): "benchmarks.elements.forget.domain: world needs the key",
    ("benchmarks.world-0.world.values", 3): "benchmarks.world-0.world.values: 3 answers leave no 3 wrong ones",
    ("benchmarks.world-0.world.attributes", 9): "benchmarks.world-0.world.attributes",
    ("models.world-0.package", "other"): "models.world-0: comes from exactly one of",
}


@pytest.mark.parametrize(("change", "message"), REFUSED.items(), ids=["-".join(map(str, change)) for change in REFUSED])
def test_a_world_that_cannot_be_is_refused_in_one_line(change, message):
    way, value = change
    plain = [list(part) if isinstance(part, tuple) else part for part in value] if isinstance(value, tuple) else value
    with pytest.raises(ConfigError) as error:
        resolve(changed(way, plain))
    assert message in str(error.value) and "\n" not in str(error.value)
