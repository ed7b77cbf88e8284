"""Before a study's first job the hub is asked what the models are that it is about to fetch."""

import json

import pytest
from hub_server import COMMIT, serving

from studies import ROOT
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.architectures import check_architectures
from unlearning_robustness.workflow.study import Study

HUB = {"repository": "lab/large", "revision": COMMIT, "token_required": False}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture(scope="module")
def config():
    words = {"license": "MIT", "note": "made by a test"}
    return Study({"models": {"large": {"hub": HUB, **words}}, "study": {"models": ["large"]}}, ROOT).config


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_hidden_layers": 30, "num_local_experts": 8}, "methods.rmu.trained: large is a mixture of 8 experts"),
        ({"n_positions": 40}, "methods.rmu.tokens: 48 are more than the 40 positions of large; lower it"),
        ({"n_layer": 6}, "methods.rmu.layers: large has 6 layers, counted from 0, so no layer 6"),
    ],
)
def test_what_a_study_cannot_do_with_a_model_is_refused_before_its_weights_are_asked_for(hub, config, sizes, message):
    hub.add("lab/large", COMMIT, {"config.json": json.dumps(sizes).encode(), "model.safetensors": b"x" * 2000})
    with pytest.raises(ConfigError) as raised:
        check_architectures(config, [("model", {"hub": HUB})])
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)
    assert not hub.asked("safetensors")


@pytest.mark.parametrize("content", [b'{"num_hidden_layers": 30}', b"{", b"[1]", b'{"text_config": null}', None])
def test_what_fits_is_accepted_and_what_the_hub_does_not_say_is_left_to_the_fetching_job(hub, config, content):
    hub.add("lab/large", COMMIT, {} if content is None else {"config.json": content})
    check_architectures(config, [("model", {"hub": HUB})])


def test_a_name_that_no_repository_can_have_is_left_to_the_fetching_job(hub, config):
    entry = {**HUB, "repository": "lab//large"}
    check_architectures({**config, "models": {"large": {"hub": entry}}}, [("model", {"hub": entry})])


def test_models_that_are_not_fetched_are_not_asked_about(hub, config):
    check_architectures(config, [("dataset", {"hub": HUB}), ("model", {"path": "here"})])
    assert hub.requests == []
