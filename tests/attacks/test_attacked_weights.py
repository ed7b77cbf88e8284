from dataclasses import replace

import pytest
import torch
from planted import given, known, questions, state, unharmed

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.attacked_weights import weights_at
from unlearning_robustness.config.kinds import ATTACKS as REGISTRY
from unlearning_robustness.config.parameters import complete
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.delta import applied

IDS = torch.arange(20).view(2, 10)
RELEARN = {"documents": [2], "steps": [1, 3], "learning_rate": 1e-2, "batch_size": 2, "tokens": 8}
POINT = {"documents": 2, "steps": 3, "setting": ""}


def entry(kind, **parameters):
    return {"kind": kind, "parameters": complete(REGISTRY, kind, parameters, "attacks.x")}


def test_the_weights_make_the_model_that_was_attacked_and_the_model_comes_back(tiny_model, tiny_tokenizer):
    attack, settings = given(tiny_model, tiny_tokenizer), entry("relearn", **RELEARN)
    *_, last = (tiny_model(IDS).logits for _ in ATTACKS["relearn"](**settings["parameters"]).run(attack))
    before = state(tiny_model)
    tensors = weights_at(attack, "relearn", settings, POINT)
    assert unharmed(tiny_model, before) and all("down_proj" in name for name in tensors)
    with applied(tiny_model, tensors):
        assert torch.equal(tiny_model(IDS).logits, last)


@pytest.mark.parametrize(
    ("kind", "parameters", "point", "words"),
    [
        ("relearn", RELEARN, POINT | {"steps": 2}, "x does not come by"),
        ("relearn", RELEARN | {"trained": "lora"}, POINT, "x changes adapters beside its weights"),
        ("few-shot", {"shots": [1]}, {"documents": 0, "steps": 1, "setting": "1 shots"}, "x changes how"),
    ],
)
def test_what_no_folder_holds_is_refused_in_one_line(tiny_model, tiny_tokenizer, kind, parameters, point, words):
    asked = known(tiny_model, tiny_tokenizer, questions(30, 9))
    attack = replace(given(tiny_model, tiny_tokenizer, asked[asked["split"] == "select"]), answered=asked)
    before = state(tiny_model)
    with pytest.raises(DataError, match=words) as raised:
        weights_at(attack, "x", entry(kind, **parameters), point)
    assert len(str(raised.value).splitlines()) == 1 and unharmed(tiny_model, before)
