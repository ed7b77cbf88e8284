"""No text is cut beyond a model's positions."""

import json

import pytest

from studies import ROOT, load_study
from unlearning_robustness.config import ConfigError, resolve
from unlearning_robustness.config.positions import check_positions, lengths
from unlearning_robustness.workflow.study import Study

MODEL = "smollm2-135m-instruct"


@pytest.fixture
def resolved(config):
    return resolve(config)


@pytest.mark.parametrize(
    ("key", "way"),
    [
        ("methods.npo-kl.tokens", ("methods", "npo-kl")),
        ("attacks.relearn.parameters.tokens", ("attacks", "relearn", "parameters")),
        ("benchmarks.elements.corpora.perplexity_tokens", ("benchmarks", "elements", "corpora")),
    ],
)
def test_a_length_beyond_a_models_positions_is_refused_by_its_key(resolved, key, way):
    entry = resolved
    for step in way:
        entry = entry[step]
    entry[key.split(".")[-1]] = 129
    with pytest.raises(ConfigError) as raised:
        check_positions(resolved, {MODEL: 128})
    assert str(raised.value) == f"{key}: 129 are more than the 128 positions of {MODEL}; lower it"
    check_positions(resolved, {MODEL: 129})


def test_what_the_study_does_not_use_is_not_asked_about(resolved):
    resolved["methods"]["dpo-kl"]["tokens"] = resolved["attacks"]["relearn-lora"]["parameters"]["tokens"] = 10**6
    check_positions(resolved, {MODEL: 128})


def test_models_made_here_and_measures_count():
    keys = {key for key, _ in lengths(resolve(load_study("tofu")), "tofu-full")}
    assert "models.tofu-full.memorised.tokens" in keys
    keys = {key for key, _ in lengths(resolve(load_study("stableun-controls")), MODEL)}
    assert {"sharpness.tokens", "landscape.tokens"} <= keys


def test_a_models_folder_says_its_positions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stated = {"models": {"mine": {"path": "mine", "license": "x", "note": "x"}}, "study": {"models": ["mine"]}}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 40}}))
    with pytest.raises(ConfigError, match=r"^methods\.rmu\.tokens: 48 are more than the 40 positions of mine"):
        Study(stated, ROOT)


def test_the_topics_of_a_method_may_cut_elsewhere(resolved):
    resolved["methods"]["rmu"]["topics"] = [{}, {"retain_tokens": 129}]
    with pytest.raises(ConfigError, match=r"^methods\.rmu\.topics\[1\]\.retain_tokens: 129 are more than"):
        check_positions(resolved, {MODEL: 128})


@pytest.mark.parametrize("content", ["{", "[1]", '{"n_positions": "few", "n_layer": "six", "text_config": null}'])
def test_a_config_that_says_nothing_is_left_to_the_fetching_job(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").write_text(content)
    Study({"models": {"mine": {"path": "mine", "license": "x", "note": "x"}}, "study": {"models": ["mine"]}}, ROOT)
