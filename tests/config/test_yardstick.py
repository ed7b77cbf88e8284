"""The keys that name models which were trained without the forget facts."""

import pytest
from refusals import message_of

from unlearning_robustness.config import resolve


def test_a_method_of_the_study_may_be_the_yardstick(config):
    config["analysis"] |= {"yardstick": "rsv", "never_trained": ["npo-kl"]}
    assert resolve(config)["analysis"]["yardstick"] == "rsv"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"yardstick": "retrained"}, ["analysis.yardstick: 'retrained' is not defined under methods"]),
        ({"yardstick": "dpo-kl"}, ["analysis.yardstick: 'dpo-kl' is no cell", "defence none and attack none"]),
        ({"never_trained": ["rsv"]}, ["analysis.never_trained:", "name one of them there"]),
        ({"yardstick": "rsv", "never_trained": ["rsx"]}, ["analysis.never_trained: 'rsx' is not defined"]),
        ({"yardstick": "rsv", "never_trained": ["dpo-kl"]}, ["analysis.never_trained: 'dpo-kl' is no cell"]),
        ({"knowing": [["rsv", "none"]]}, ["analysis.knowing:", "name it there, or give unknowing"]),
        ({"unknowing": [["dpo-kl", "none"]]}, ["analysis.unknowing: dpo-kl with none is no cell of study.cells"]),
        ({"knowing": [["rsv", "none"]], "unknowing": [["rsv", "none"]]},
         ["analysis.unknowing: rsv with none is among those that know; leave it out of one"]),
        ({"yardstick": "rsv", "never_trained": ["rsv"]}, ["analysis.never_trained: 'rsv' is the yardstick itself"]),
    ],
)  # fmt: skip
def test_a_yardstick_that_is_not_asked_is_refused_in_one_line(config, changes, words):
    config["analysis"] |= changes
    message = message_of(config)
    assert [word for word in words if word not in message] == [], message
