import pytest
import torch

from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import ModelFileError
from unlearning_robustness.models.loading import load_model, load_tokenizer, verify

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
