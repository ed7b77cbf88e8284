"""What is loaded is what the files hold: checkpoints as people save them by mistake, refused before any job."""

import json
import shutil

import pytest
import torch
import transformers
from families import FAMILIES, family_folder
from safetensors.torch import load_file, save_file

from unlearning_robustness.data.model_checks import check_model
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import StudyError
from unlearning_robustness.models.loading import load_model
from unlearning_robustness.models.slicing import LayerSpan, logits_of

IDS = torch.arange(20).view(2, 10)
HEAD, EMBEDDINGS, NORM = "lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"
DOWN = "model.layers.2.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def saved(make_model, tiny_tokenizer, tmp_path_factory):
    """Folders of one model by whether its head is tied."""
    folders = {}
    for tied in (False, True):
        folders[tied] = tmp_path_factory.mktemp("saved")
        make_model(tie_word_embeddings=tied).save_pretrained(folders[tied])
        tiny_tokenizer.save_pretrained(folders[tied])
    return folders


@pytest.fixture
def stored(saved, tmp_path):
    """Builds a folder whose tensors went through ``change``, with entries of its config replaced."""

    def make(change=lambda tensors: tensors, tied=False, **config):
        folder = tmp_path / "model"
        shutil.copytree(saved[tied], folder)
        save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")
        settings = json.loads((folder / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps(settings))
        return folder

    return make


def renamed(prefix):
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


def without(name):
    return lambda tensors: {other: tensor for other, tensor in tensors.items() if other != name}


def changed(name, value):
    return lambda tensors: tensors | {name: value(tensors) if callable(value) else value}


def with_number(number):
    def change(tensors):
        tensors[DOWN][3, 5] = number
        return tensors

    return change


REFUSED = {
    "compiled": (renamed("_orig_mod."), {}, ["_orig_mod.lm_head.weight", "torch.compile", "`_orig_mod`"]),
    "of an adapter": (renamed("base_model.model."), {}, ["base_model.model.lm_head.weight", "merge_and_unload"]),
    "of layers in wrappers": (
        lambda tensors: {name.replace(".2.", ".2._fsdp_wrapped_module."): tensor for name, tensor in tensors.items()},
        {},
        ["model.layers.2._fsdp_wrapped_module.input_layernorm.weight", "FSDP"],
    ),
    "one adapter name": (
        changed("model.layers.0.self_attn.q_proj.lora_A.weight", torch.ones(2, 32)),
        {},
        ["no tensor model.layers.0.self_attn.q_proj.lora_A.weight"],
    ),
    "one missing": (without(DOWN), {}, [f"no file holds the tensor {DOWN}"]),
    "the first of two missing": (
        lambda tensors: without("model.layers.1.input_layernorm.weight")(without(DOWN)(tensors)),
        {},
        ["model.layers.1.input_layernorm.weight"],
    ),
    "one of another shape": (changed(DOWN, torch.ones(32, 63)), {}, [DOWN, "[32, 63] instead of [32, 64]"]),
    "another config": ({}, {"intermediate_size": 80}, ["[32, 64] instead of [32, 80]", "correct config.json"]),
    "one layer too few": ({}, {"num_hidden_layers": 3}, ["has no tensor model.layers.3."]),
    "one layer too many": ({}, {"num_hidden_layers": 5}, ["no file holds the tensor model.layers.4."]),
    "a width that is no number": ({}, {"hidden_size": "wide"}, ["config.json makes no model", "wide"]),
    "an activation that is none": ({}, {"hidden_act": "nope"}, ["config.json makes no model", "nope"]),
    "untied without a head": (without(HEAD), {}, [HEAD, "set tie_word_embeddings to true"]),
    "not a number": (with_number(torch.nan), {}, [DOWN, "not finite"]),
    "infinite": (with_number(-torch.inf), {}, [DOWN, "not finite"]),
    "finite in float32 alone": (with_number(3.4e38), {}, [DOWN, "beyond bfloat16's range"]),
    "whole numbers": (changed(DOWN, torch.ones(32, 64, dtype=torch.int8)), {}, [DOWN, "I8", "quantization_config"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_checkpoint_that_is_not_the_model_is_refused_in_one_line(stored, case):
    change, config, parts = REFUSED[case]
    folder = stored(change or (lambda tensors: tensors), **config)
    with pytest.raises(StudyError) as raised:
        check_model(folder)
    text = str(raised.value)
    assert len(text.splitlines()) == 1 and str(folder) in text
    assert [part for part in parts if part not in text] == [], text


@pytest.mark.parametrize(
    ("family", "part", "name"),
    [("gpt2", "c_fc.weight", "h.0.mlp.c_fc.weight"),
     ("qwen3-moe", "down_proj", "model.layers.0.mlp.experts.0.down_proj.weight")],
)  # fmt: skip
def test_whole_numbers_under_another_name_than_the_models_are_refused(family, part, name, tiny_tokenizer, tmp_path):
    folder = family_folder(family, tmp_path, tiny_tokenizer)
    tensors = load_file(folder / "model.safetensors")
    scaled = {name: (9 * tensor).to(torch.int8) if part in name else tensor for name, tensor in tensors.items()}
    bare = {name.removeprefix("transformer."): tensor for name, tensor in scaled.items()}
    save_file(bare, folder / "model.safetensors")
    with pytest.raises(StudyError, match=f"{name} holds I8"):
        check_model(folder)


@pytest.mark.parametrize("layers", [None, (1, 3)])
@pytest.mark.parametrize("case", ["compiled", "one missing", "one of another shape"])
def test_loading_refuses_what_it_would_draw_at_random(stored, case, layers):
    """Folders that nobody checked, as an older version fetched them."""
    folder = stored(REFUSED[case][0])
    write_manifest(folder, {})
    with pytest.raises(StudyError) as raised:
        load_model(folder, layers=layers)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert [part for part in REFUSED[case][2] if part not in text] == [], text


def of_its_own(tensors):
    return tensors | {HEAD: tensors[EMBEDDINGS].flip(0)}


@pytest.mark.parametrize(
    ("tied", "change", "head"),
    [
        (True, lambda tensors: tensors, "tied to the embeddings"),
        (True, lambda tensors: tensors | {HEAD: tensors[EMBEDDINGS].clone()}, "tied to the embeddings"),
        (True, of_its_own, "its own; the source's config.json tied it to the embeddings"),
        (False, lambda tensors: tensors, "its own"),
    ],
)
def test_a_head_means_the_same_in_transformers_in_the_whole_model_and_in_a_span(stored, tied, change, head):
    folder = stored(change, tied)
    expected = transformers.AutoModelForCausalLM.from_pretrained(folder)(IDS).logits
    assert check_model(folder)["head"] == head
    write_manifest(folder, {})
    whole, last = (load_model(folder, layers=layers)[0] for layers in (None, (2, None)))
    assert torch.equal(whole(IDS).logits, expected)
    hidden = LayerSpan(whole, 0, 2)(input_ids=IDS)
    torch.testing.assert_close(logits_of(last, LayerSpan(last, 2, 4)(hidden=hidden)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", [None, (2, None), (0, 2)])
def test_another_head_than_the_tied_one_is_refused_where_nobody_corrected_the_config(stored, layers):
    folder = stored(of_its_own, tied=True)
    write_manifest(folder, {})
    with pytest.raises(StudyError, match=r"config\.json ties lm_head\.weight .* fetch it anew"):
        load_model(folder, layers=layers)


def test_a_corrected_config_leaves_the_sources_file_as_it_was(stored, tmp_path):
    source = stored(of_its_own, tied=True)
    before = (source / "config.json").read_bytes()
    (tmp_path / "linked").mkdir()
    for path in source.iterdir():
        (tmp_path / "linked" / path.name).hardlink_to(path)
    check_model(tmp_path / "linked")
    assert (source / "config.json").read_bytes() == before
    assert json.loads((tmp_path / "linked/config.json").read_text())["tie_word_embeddings"] is False


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        (NORM, "model-00002-of-00003.safetensors", "model-00002-of-00003.safetensors, but model-00003-of-00003"),
        ("model.extra.weight", "model-00001-of-00003.safetensors", "model-00001-of-00003.safetensors, but no file"),
        (NORM, None, "no file, but model-00003-of-00003.safetensors"),
    ],
)
def test_an_index_that_names_another_file_is_refused(make_model, tiny_tokenizer, tmp_path, name, file, said):
    make_model().save_pretrained(tmp_path, max_shard_size="90KB")
    tiny_tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    assert len(set(index["weight_map"].values())) == 3 and check_model(tmp_path)["head"] == "its own"
    index["weight_map"] = {**index["weight_map"], name: file} if file else without(name)(index["weight_map"])
    path.write_text(json.dumps(index))
    with pytest.raises(StudyError) as raised:
        check_model(tmp_path)
    assert f"says {name} is in {said}" in str(raised.value)


@pytest.mark.parametrize("other", [0, 2])
def test_a_tensor_in_two_files_is_refused(make_model, tiny_tokenizer, tmp_path, other):
    make_model().save_pretrained(tmp_path, max_shard_size="90KB")
    tiny_tokenizer.save_pretrained(tmp_path)
    files = sorted(tmp_path.glob("model-*.safetensors"))
    name, tensor = next(iter(load_file(files[1]).items()))
    save_file(load_file(files[other]) | {name: 2 * tensor}, files[other], metadata={"format": "pt"})
    with pytest.raises(StudyError, match=rf"{name} is in model-0000\d-of-00003\.safetensors as well"):
        check_model(tmp_path)


def test_tensors_that_a_family_no_longer_reads_are_no_fault(stored):
    folder = stored(changed("model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(4)))
    assert check_model(folder)["head"] == "its own"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_own_files_are_accepted(family, tiny_tokenizer, tmp_path):
    folder = family_folder(family, tmp_path, tiny_tokenizer)
    tied = FAMILIES[family][1].get("tie_word_embeddings", False)
    assert check_model(folder)["head"] == ("tied to the embeddings" if tied else "its own")


@pytest.mark.parametrize(
    ("family", "old"),
    [
        ("gpt2", {"transformer.h.0.attn.bias": (1, 1, 8, 8), "transformer.h.0.attn.masked_bias": ()}),
        ("gpt-neox parallel", {"gpt_neox.layers.0.attention.bias": (1, 1, 8, 8),
                               "gpt_neox.layers.0.attention.masked_bias": (),
                               "gpt_neox.layers.0.attention.rotary_emb.inv_freq": (4,)}),
    ],
)  # fmt: skip
def test_masks_in_old_files_of_a_family_are_no_fault(family, old, tiny_tokenizer, tmp_path):
    folder = family_folder(family, tmp_path, tiny_tokenizer)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {name: torch.ones(shape) for name, shape in old.items()}, folder / "model.safetensors")
    assert "head" in check_model(folder)


def test_gpt2s_names_without_their_prefix_are_the_same_model(tiny_tokenizer, tmp_path):
    folder = family_folder("gpt2", tmp_path, tiny_tokenizer)
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    save_file(bare | {HEAD: bare["wte.weight"].clone()}, folder / "model.safetensors")
    assert check_model(folder)["head"] == "tied to the embeddings"
    save_file(bare | {HEAD: bare["wte.weight"].flip(0)}, folder / "model.safetensors")
    assert check_model(folder)["head"].startswith("its own; the source's")
