import pytest
from refusals import message_of

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.config import resolve
from unlearning_robustness.config.parameters import declared

# A search says itself whose questions it needs.
CHOOSING = {"gcg"} | {kind for kind in ATTACKS if declared("attacks.ATTACKS", kind, "chooses_on", ())}


@pytest.fixture
def attacked(config):
    """The default study with an attack more."""

    def add(attack):
        config["study"]["cells"].append({"methods": ["reference"], "defences": ["none"], "attacks": [attack]})
        return config

    return add


@pytest.mark.parametrize("kind", sorted(CHOOSING))
def test_what_chooses_on_select_needs_questions_there(attacked, kind):
    config = attacked(kind)
    resolve(config)
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    message = message_of(config)
    assert "benchmarks.elements.forget.splits: a share of 'select' is missing" in message and repr(kind) in message


@pytest.mark.parametrize("kind", sorted(set(ATTACKS) - CHOOSING))
def test_what_does_not_choose_needs_none(attacked, kind):
    config = attacked(kind)
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    resolve(config)


def test_a_margin_on_retain_questions_needs_those_and_a_search_without_one_does_not(attacked):
    config = attacked("gcg")
    config["benchmarks"]["elements"]["retain"]["splits"] = {"test": 2}
    resolve(config)
    assert "benchmarks.elements.retain.splits" in message_of(attacked("prefill"))


def test_a_search_against_retain_questions_needs_those_alone(attacked):
    config = attacked("gcg-retain")
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    resolve(config)
    config["benchmarks"]["elements"]["retain"]["splits"] = {"test": 2}
    assert "benchmarks.elements.retain.splits: a share of 'select' is missing" in message_of(config)


@pytest.mark.parametrize("kind", ["logit-lens", "orthogonalise"])
def test_only_what_merely_reads_need_not_show_what_it_costs(attacked, kind):
    config = attacked(kind)
    config["attacks"]["relearn"]["roles"] = config["attacks"]["relearn-few"]["roles"] = ["forget", "retain"]
    config["scoring"] = {"splits": ["select", "test"]}
    config["attacks"][kind]["roles"] = ["forget"]
    if kind == "logit-lens":
        resolve(config)
    else:
        assert f"attacks.{kind}.roles: an attack whose strength is chosen on select" in message_of(config)


def test_a_search_on_more_questions_than_are_kept_is_refused(attacked):
    config = attacked("gcg")
    config["benchmarks"]["elements"]["forget"]["max_facts"] = {"select": 35}
    assert "attacks.gcg.parameters.held_out: 36 select questions" in message_of(config)
    config["attacks"]["gcg"]["parameters"]["held_out"] = 31
    resolve(config)
