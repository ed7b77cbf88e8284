import copy

import pytest
from synthetic import study

from unlearning_robustness.config.activation_caches import cache_id, cache_settings


def of(method, **changes):
    return cache_id(cache_settings({**copy.deepcopy(study()["methods"][method]), **changes}))


def test_methods_that_read_the_same_share_a_cache():
    assert of("rmu") == of("rsv") == of("adaptive-rmu") == "activations-tokens48-layer5-layer7-corrected"
    assert of("npo-kl") == of("simnpo-mse") == of("dpo-kl") == "likelihood-tokens32-layer5-layer7-corrected"


@pytest.mark.parametrize(
    "change", [{"tokens": 20}, {"layers": [4, 5]}, {"read_layer": 9}, {"implementation": "released"}]
)
def test_whatever_a_cache_depends_on_makes_another(change):
    assert of("rmu", **change) != of("rmu")


def test_what_it_does_not_depend_on_makes_none():
    assert of("rmu", layers=[5, 7], steps=3, learning_rate=1.0, label="x") == of("rmu")
