import accelerate
import pytest
import torch
from families import FAMILIES, family_folder, family_model
from safetensors.torch import save_file

from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import ConfigError, ModelFileError
from unlearning_robustness.models import span_loading
from unlearning_robustness.models.delta import applied
from unlearning_robustness.models.loading import load_model, load_tokenizer, verify
from unlearning_robustness.models.slicing import LayerSpan, logits_of

IDS = torch.arange(20).view(2, 10)


@pytest.fixture
def folder(tiny_model, tiny_tokenizer, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    write_manifest(tmp_path, {"note": "tiny"})
    return tmp_path


def test_a_saved_model_comes_back_frozen_with_its_digest(folder, tiny_model):
    model, digest = load_model(folder)
    assert torch.equal(model(IDS).logits, tiny_model(IDS).logits)
    assert digest == verify(folder) and len(digest) == 64
    assert not any(tensor.requires_grad for tensor in model.parameters())
    assert not model.training and model.config.use_cache is False


def test_a_model_is_loaded_in_the_type_asked_for(folder, tiny_model):
    model, _ = load_model(folder, dtype=torch.bfloat16)
    name = "model.layers.1.mlp.down_proj.weight"
    assert torch.equal(model.get_parameter(name), tiny_model.get_parameter(name).bfloat16())


def test_a_model_with_accelerates_hooks_on_every_module_gives_the_same_bits(folder, tiny_model):
    """Spread over devices a layer is moved to by its hook; a span is a view and must run its own layers with them."""
    model, _ = load_model(folder)
    parts = ("model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head")
    places = dict.fromkeys((*parts, *(f"model.layers.{layer}" for layer in range(4))), "cpu")
    accelerate.dispatch_model(model, places, main_device="cpu", force_hooks=True)
    assert all(hasattr(layer, "_hf_hook") for layer in model.model.layers)
    hidden = [LayerSpan(each, 1, 3)(hidden=LayerSpan(each, 0, 1)(input_ids=IDS)) for each in (model, tiny_model)]
    assert torch.equal(*hidden)
    assert torch.equal(logits_of(model, hidden[0]), logits_of(tiny_model, hidden[1]))
    name = "model.layers.1.mlp.down_proj.weight"
    before = model(IDS).logits
    with applied(model, {name: torch.zeros(32, 64)}):
        assert not torch.equal(model(IDS).logits, before)
    assert torch.equal(model(IDS).logits, tiny_model(IDS).logits)


def test_a_model_too_large_for_the_gpus_is_refused_in_one_line(folder):
    """Layers that accelerate keeps elsewhere have no memory of their own: a delta written into them would be lost."""
    places = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    places |= {f"model.layers.{layer}": "cpu" if layer < 3 else "disk" for layer in range(4)}
    with pytest.raises(ConfigError, match=r"models\.\*\.placement: auto: .* is too large for the job's GPUs") as raised:
        load_model(folder, places)
    assert len(str(raised.value).splitlines()) == 1


def test_the_tokenizer_comes_back(folder, tiny_tokenizer):
    text = "Zinc, « 30 » ünd é"
    assert load_tokenizer(folder).encode(text) == tiny_tokenizer.encode(text)


def test_two_models_have_two_digests(folder, make_model, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    make_model(seed=1).save_pretrained(other)
    write_manifest(other, {"note": "tiny"})
    assert verify(other) != verify(folder)


def test_the_digest_is_of_the_files_not_of_the_facts(folder):
    before = verify(folder)
    assert write_manifest(folder, {"note": "another"})["digest"] == before == verify(folder)


def test_a_folder_without_a_manifest_is_refused(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelFileError, match=r"manifest\.json is missing: remove the folder"):
        load_model(folder)


def test_a_missing_file_is_named(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json is missing"):
        verify(folder)


def test_a_truncated_file_is_named(folder):
    path = folder / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelFileError, match=rf"model\.safetensors has {size - 7} bytes instead of {size}"):
        load_model(folder)


def test_an_altered_byte_is_named(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.safetensors does not have the digest"):
        load_model(folder)


def test_weights_that_are_not_safetensors_are_refused(tiny_model, tmp_path):
    tiny_model.config.save_pretrained(tmp_path)
    torch.save(tiny_model.state_dict(), tmp_path / "pytorch_model.bin")
    write_manifest(tmp_path, {})
    with pytest.raises(OSError, match="safetensors"):
        load_model(tmp_path)


NEEDED = {f"model.layers.{layer}." for layer in (1, 2)}


@pytest.fixture
def read(monkeypatch):
    """Names of the tensors that are read out of safetensors files."""
    seen, plain = [], span_loading.safe_open

    def counting(*arguments, **named):
        handle = plain(*arguments, **named)

        class Counted:
            def __enter__(self):
                self.opened = handle.__enter__()
                return self

            def __exit__(self, *error):
                return handle.__exit__(*error)

            def keys(self):
                return self.opened.keys()

            def get_tensor(self, name):
                seen.append(name)
                return self.opened.get_tensor(name)

        return Counted()

    monkeypatch.setattr(span_loading, "safe_open", counting)
    return seen


@pytest.fixture
def in_shards(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path, max_shard_size="20KB")
    write_manifest(tmp_path, {"note": "tiny"})
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    return tmp_path


@pytest.mark.parametrize("stored", ["folder", "in_shards"])
def test_a_span_reads_its_layers_from_the_files_and_no_other_tensor(stored, request, read, tiny_model):
    model, digest = load_model(request.getfixturevalue(stored), layers=(1, 3))
    expected = {name for name, _ in tiny_model.named_parameters() if name.startswith(tuple(NEEDED))}
    assert sorted(read) == sorted(expected) and len(expected) == 18
    assert digest == verify(request.getfixturevalue(stored)) and not model.training
    for name, tensor in model.named_parameters():
        assert tensor.is_meta == (name not in expected) and not tensor.requires_grad
    hidden = torch.randn(2, 5, 32)
    assert torch.equal(LayerSpan(model, 1, 3)(hidden=hidden), LayerSpan(tiny_model, 1, 3)(hidden=hidden))


def test_files_beside_the_model_are_none_of_its_own(folder, tiny_model):
    name = "model.layers.1.mlp.down_proj.weight"
    save_file({name: torch.zeros(32, 64)}, folder / "a-delta.safetensors")
    model, _ = load_model(folder, layers=(1, 3))
    assert torch.equal(model.get_parameter(name), tiny_model.get_parameter(name))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_span_from_the_beginning_has_the_embeddings_and_gives_the_same_bits(in_shards, read, dtype):
    whole, part = (load_model(in_shards, dtype=dtype, layers=layers)[0] for layers in (None, (0, 2)))
    read_by_layers = [name for name in read if name != "model.embed_tokens.weight"]
    assert len(read) == len(read_by_layers) + 1 and {name.split(".")[2] for name in read_by_layers} == {"0", "1"}
    assert torch.equal(*(LayerSpan(model, 0, 2)(input_ids=IDS) for model in (part, whole)))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Mistral"])
def test_a_span_to_the_end_gives_the_models_logits(make_model, tmp_path, read, kind, tied):
    whole = make_model(kind, tie_word_embeddings=tied)
    whole.save_pretrained(tmp_path)
    write_manifest(tmp_path, {"note": "tiny"})
    model, _ = load_model(tmp_path, layers=(2, None))
    assert not [name for name in read if "layers.0." in name or "layers.1." in name]
    assert ("model.embed_tokens.weight" in read) == tied
    hidden = torch.randn(2, 5, 32)
    logits = [logits_of(each, LayerSpan(each, 2, 4)(hidden=hidden)) for each in (model, whole)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_every_family_are_loaded_as_the_whole_is(tiny_tokenizer, tmp_path, family):
    """Also the attention kernel that a family needs, and positions that it adds before the first layer."""
    whole, _ = load_model(family_folder(family, tmp_path, tiny_tokenizer))
    hidden, logits = LayerSpan(whole, 0, 1)(input_ids=IDS), family_model(family)(IDS).logits
    assert torch.equal(whole(IDS).logits, logits)
    first, middle, last = (load_model(tmp_path, layers=layers)[0] for layers in ((0, 1), (1, 3), (3, None)))
    assert torch.equal(LayerSpan(first, 0, 1)(input_ids=IDS), hidden)
    hidden = LayerSpan(last, 3, 4)(hidden=LayerSpan(middle, 1, 3)(hidden=hidden))
    assert torch.equal(logits_of(last, hidden), logits)


def test_a_model_that_is_stored_under_other_names_is_loaded_whole(folder, tiny_model, monkeypatch):
    monkeypatch.setattr(span_loading, "files_of", lambda folder: {})
    model, _ = load_model(folder, layers=(1, 3))
    assert torch.equal(model(IDS).logits, tiny_model(IDS).logits)


def test_each_layer_is_handed_over_before_the_next_is_read(in_shards, read):
    seen = []

    def loaded(layer):
        assert not any(tensor.is_meta for tensor in layer.parameters())
        seen.append({int(name.split(".")[2]) for name in read})

    load_model(in_shards, layers=(1, 4), loaded=loaded)
    assert seen == [{1}, {1, 2}, {1, 2, 3}]
