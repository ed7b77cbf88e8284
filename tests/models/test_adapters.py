import copy

import peft
import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.models.adapters import AdaptedWeights, layer_matrices
from unlearning_robustness.models.weights import layer_parameters

IDS = torch.arange(24).view(2, 12)
RANK, ALPHA = 3, 12.0


def adapted(model, targets="all"):
    return AdaptedWeights(model, layer_matrices(model, targets), RANK, ALPHA, torch.Generator().manual_seed(2))


def loss_of(model):
    return cross_entropy(model(IDS).logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())


@pytest.fixture
def with_peft(tiny_model):
    """The same adapters by the library peft, with B drawn so that they show."""
    wrapped = copy.deepcopy(tiny_model)
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", lora_dropout=0.0)
    wrapped = peft.get_peft_model(wrapped, config)
    random = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, tensor in wrapped.named_parameters():
            if "lora_B" in name:
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=random))
    return wrapped


def factors_of(wrapped):
    found = {}
    for name, tensor in wrapped.named_parameters():
        if "lora_" in name:
            place, _, factor = name.removeprefix("base_model.model.").partition(".lora_")
            found[f"{place}.weight.{factor[0]}"] = tensor
    return found


def test_merged_adapters_compute_and_learn_as_pefts(tiny_model, with_peft):
    weights, theirs = adapted(tiny_model), factors_of(with_peft)
    assert set(theirs) == set(weights.master)
    for name, tensor in theirs.items():
        weights.master[name].copy_(tensor.detach())
    plain = tiny_model(IDS).logits
    weights.publish()
    assert (tiny_model(IDS).logits - plain).abs().max() > 0.5
    torch.testing.assert_close(tiny_model(IDS).logits, with_peft(IDS).logits, atol=1e-4, rtol=1e-4)
    loss_of(with_peft).backward()
    for name, gradient in weights.gradient(loss_of(tiny_model)).items():
        torch.testing.assert_close(gradient, theirs[name].grad, atol=1e-5, rtol=1e-3)


def test_the_first_factor_is_drawn_as_pefts(tiny_model, with_peft):
    ours, theirs = adapted(tiny_model).master, factors_of(with_peft)
    for name in (name for name in ours if name.endswith(".A")):
        bound = ours[name].shape[1] ** -0.5
        assert ours[name].shape == theirs[name].shape
        for factor in (ours[name], theirs[name]):
            assert factor.abs().max() <= bound and factor.std().item() == pytest.approx(bound / 3**0.5, rel=0.25)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adapters_change_by_their_rank_and_are_taken_back_bit_for_bit(make_model, dtype):
    model = make_model(dtype=dtype)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    weights = adapted(model, "mlp")
    weights.publish()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_parameters())
    for name, tensor in weights.master.items():
        if name.endswith(".B"):
            tensor.uniform_(-1, 1, generator=torch.Generator().manual_seed(1))
    weights.publish()
    changed = {name for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name])}
    assert changed == {
        f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in range(4) for part in ("gate", "up", "down")
    }
    if dtype is torch.float32:
        assert {torch.linalg.matrix_rank(model.get_parameter(name) - before[name]).item() for name in changed} == {RANK}
    weights.release()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_parameters())
    assert not any(tensor.requires_grad for tensor in model.parameters())


def test_only_factors_are_kept_beside_the_original(tiny_model):
    weights = adapted(tiny_model)
    kept = sum(tensor.numel() for tensor in weights.master.values())
    assert kept == sum(RANK * sum(tensor.shape) for tensor in weights.live.values())


def test_targets_are_the_projections_of_the_layers(other_model):
    counts = {targets: len(layer_matrices(other_model, targets)) for targets in ("attention", "mlp", "all")}
    assert counts == {"attention": 16, "mlp": 12, "all": 28}
    assert set(layer_matrices(other_model, "all")) < set(layer_parameters(other_model))


def test_what_is_no_matrix_has_no_adapter(tiny_model):
    with pytest.raises(ValueError, match=r"input_layernorm.*no matrix"):
        AdaptedWeights(tiny_model, ["model.layers.0.input_layernorm.weight"], 2, 4.0, torch.Generator())
