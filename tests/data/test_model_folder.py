import pytest
import torch
from families import family_folder, family_model

from unlearning_robustness.data.model_folder import write_with_delta
from unlearning_robustness.errors import DeltaError
from unlearning_robustness.models.checkpoint import stored_type
from unlearning_robustness.models.delta import save_delta
from unlearning_robustness.models.loading import load_model, verify

NAME = "model.layers.1.mlp.down_proj.weight"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_exported_model_has_its_sources_number_type_and_the_deltas_numbers(dtype, tiny_tokenizer, tmp_path):
    """Nothing of the machine enters: neither its device nor the type that it computes in."""
    source = family_folder("llama tied", tmp_path / "source", tiny_tokenizer, dtype=dtype)
    changed = torch.randn(32, 64)
    save_delta(tmp_path / "delta.safetensors", {NAME: changed}, verify(source))
    manifest = write_with_delta(source, tmp_path / "delta.safetensors", tmp_path / "made", {"dtype": "of the job"})
    assert stored_type(source) == stored_type(tmp_path / "made") == dtype
    assert manifest["dtype"] == str(dtype).removeprefix("torch.") and manifest["parent_digest"] == verify(source)
    assert verify(tmp_path / "made") == manifest["digest"]
    expected = family_model("llama tied", dtype=dtype).state_dict() | {NAME: changed.to(dtype)}
    made = load_model(tmp_path / "made", dtype=dtype)[0].state_dict()
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) and made[name].dtype == dtype for name in made)


def test_a_delta_of_another_model_is_refused_and_nothing_written(tiny_tokenizer, tmp_path):
    source = family_folder("llama tied", tmp_path / "source", tiny_tokenizer)
    save_delta(tmp_path / "delta.safetensors", {}, "another")
    with pytest.raises(DeltaError, match="made for model another"):
        write_with_delta(source, tmp_path / "delta.safetensors", tmp_path / "made", {})
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("number", [1e6, float("nan")])
def test_a_delta_that_the_sources_type_cannot_hold_is_refused(number, tiny_tokenizer, tmp_path):
    source = family_folder("llama tied", tmp_path / "source", tiny_tokenizer, dtype=torch.float16)
    save_delta(tmp_path / "delta.safetensors", {NAME: torch.full((32, 64), number)}, verify(source))
    with pytest.raises(DeltaError, match=rf"{NAME} has numbers that torch\.float16 of .* cannot hold"):
        write_with_delta(source, tmp_path / "delta.safetensors", tmp_path / "made", {})
    assert not (tmp_path / "made").exists()


def test_the_type_of_most_numbers_is_the_models(tiny_tokenizer, tmp_path):
    """Some models keep their norms in float32."""
    from safetensors.torch import load_file, save_file

    folder = family_folder("llama tied", tmp_path, tiny_tokenizer, dtype=torch.float16)
    tensors = load_file(folder / "model.safetensors")
    wide = {name: tensor.float() for name, tensor in tensors.items() if "norm" in name}
    assert len(wide) == 9
    save_file(tensors | wide, folder / "model.safetensors")
    assert stored_type(folder) == torch.float16
