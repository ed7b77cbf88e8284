"""Ways of training that do not go together, each refused by one line that names key and mend."""

import pytest
from refusals import message_of

from unlearning_robustness.config import resolve

RELEASED = {"implementation": "released", "precision": "pure"}
EVERY = {"trained": "all", "layers": list(range(30))}
REFUSED = [
    ("rmu", {"implementation": "released"}, "methods.rmu.precision: ", "give pure"),
    ("npo-kl", RELEASED, "methods.npo-kl.parameters.normalisation: ", "batch-mean"),
    ("rmu", {**RELEASED, "topics": [{"tokens": 49}]}, "methods.rmu.topics.0.tokens: ", "tokens: 48"),
    ("rmu", {**RELEASED, "topics": [{}, {}]}, "methods.rmu.topics: ", "give 1, or one for all"),
    ("rmu", {"topics": [{}]}, "methods.rmu.topics: ", "implementation: released"),
    ("rmu", EVERY, "methods.rmu.trained: ", "no gradient"),
    ("npo-kl", {**EVERY, "layers": [5, 6, 7]}, "methods.npo-kl.layers: ", "from 0"),
    ("npo-kl", {**EVERY, "parallel": {"processes": 2, "sharded": True}}, "methods.npo-kl.parallel.sharded: ", "embed"),
    ("rmu", {"clipping": 0.0}, "methods.rmu.clipping", "0"),
    ("rmu", {"warm_up": -1}, "methods.rmu.warm_up", "-1"),
    ("npo-kl", {"decay": "linear"}, "", "early-stop"),
]


@pytest.mark.parametrize(("name", "changes", "key", "mend"), REFUSED)
def test_what_does_not_go_together_is_refused(config, name, changes, key, mend):
    config["methods"][name] |= changes
    if "decay" in changes:
        config["study"]["cells"] = [{"methods": [name], "defences": ["rna", "early-stop"], "attacks": ["none"]}]
    message = message_of(config)
    assert message.startswith(key) and mend in message


def test_a_search_along_the_steps_of_a_falling_learning_rate_is_refused(config):
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]}]
    config["methods"]["rmu"]["decay"] = "linear"
    assert message_of(config).startswith("tuning.methods.rmu: ")


def test_latent_adversaries_have_no_released_code(config):
    config["methods"]["rmu"] |= RELEASED
    config["defences"]["lat"] = {"label": "lat", "kind": "latent-adversarial", "parameters": {"radius": 0.1}}
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["lat"], "attacks": ["none"]}]
    message = message_of(config)
    assert "'lat'" in message and "implementation: corrected" in message


def test_released_code_and_every_tensor_are_accepted_where_they_fit(config):
    config["methods"]["rmu"] |= {**RELEASED, "topics": [{"tokens": 40, "retain_weight": 5.0}]}
    config["methods"]["npo-kl"] |= {**EVERY, "warm_up": 3, "clipping": 1.0}
    entries = resolve(config)["methods"]
    assert entries["rmu"]["topics"] == [{"tokens": 40, "retain_weight": 5.0}]
    assert entries["npo-kl"]["trained"] == "all" and entries["npo-kl"]["decay"] == "none"
