import pytest
import torch

from unlearning_robustness.errors import DeltaError
from unlearning_robustness.models.delta import applied, apply_delta, load_delta, save_delta

NAME = "model.layers.1.mlp.down_proj.weight"
IDS = torch.arange(20).view(2, 10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "delta.safetensors"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_delta_comes_back_from_disk_bit_for_bit(path, dtype):
    tensor = torch.randn(32, 64).to(dtype).T  # not contiguous
    save_delta(path, {NAME: tensor}, "digest")
    loaded = load_delta(path, "digest")
    assert list(loaded) == [NAME] and loaded[NAME].dtype == dtype and torch.equal(loaded[NAME], tensor)


def test_a_delta_turns_the_base_into_the_unlearned_model(path, make_model):
    unlearned, base = make_model(), make_model()
    unlearned.get_parameter(NAME).add_(0.1)
    save_delta(path, {NAME: unlearned.get_parameter(NAME)}, "digest")
    assert not torch.equal(base(IDS).logits, unlearned(IDS).logits)
    apply_delta(base, load_delta(path, "digest"))
    assert torch.equal(base(IDS).logits, unlearned(IDS).logits)


def test_a_delta_of_another_model_is_refused_by_name(path):
    save_delta(path, {NAME: torch.zeros(2, 2)}, "made-for-this")
    with pytest.raises(DeltaError, match=r"delta\.safetensors was made for model made-for-thi.*remove it"):
        load_delta(path, "another")


def test_a_delta_of_another_shape_is_refused(tiny_model):
    with pytest.raises(DeltaError, match=r"no tensor model\.layers\.1.*\(2, 2\)"):
        apply_delta(tiny_model, {NAME: torch.zeros(2, 2)})


def test_a_tensor_that_the_model_does_not_have_is_refused(tiny_model):
    with pytest.raises(DeltaError, match="no tensor unknown"):
        apply_delta(tiny_model, {"unknown": torch.zeros(2, 2)})


def test_an_empty_delta_is_the_reference(path, tiny_model):
    before = tiny_model(IDS).logits
    save_delta(path, {}, "digest")
    assert load_delta(path, "digest") == {}
    apply_delta(tiny_model, load_delta(path, "digest"))
    assert torch.equal(tiny_model(IDS).logits, before)


NAME = "model.layers.1.mlp.down_proj.weight"


def test_inside_the_delta_is_applied_and_afterwards_the_model_is_as_it_was(tiny_model):
    before = {name: tensor.clone() for name, tensor in tiny_model.named_parameters()}
    with applied(tiny_model, {NAME: 2 * before[NAME]}):
        assert torch.equal(tiny_model.get_parameter(NAME), 2 * before[NAME])
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_model.named_parameters())


def test_the_model_comes_back_when_what_is_inside_fails_or_the_delta_does_not_fit(tiny_model):
    before = {name: tensor.clone() for name, tensor in tiny_model.named_parameters()}
    with pytest.raises(ZeroDivisionError), applied(tiny_model, {NAME: torch.zeros_like(before[NAME])}):
        1 / 0  # noqa: B018
    with pytest.raises(DeltaError), applied(tiny_model, {NAME: before[NAME] + 1, "other": before[NAME]}):
        pass
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_model.named_parameters())
