import copy
import math

import pytest
import torch
from families import family_model, untransposed

from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.engine.lora import LowRankWeights, modules_of_layers
from unlearning_robustness.engine.weights import norm, tensors_of_layers
from unlearning_robustness.models.architecture import ArchitectureError, stack_of
from unlearning_robustness.models.delta import applied
from unlearning_robustness.training import unlearning

IDS = torch.arange(24).view(2, 12)
TARGETS = ["model.layers.1.self_attn.q_proj", "model.layers.2.mlp.down_proj"]


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def attach(model, rank=4, alpha=8.0, seed=0):
    return LowRankWeights(model, TARGETS, rank, alpha, random(seed))


def snapshot(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def move(weights, size=0.3):
    generator = random(9)
    for tensor in weights.master.values():
        tensor += size * torch.randn(tensor.shape, generator=generator)
    weights.publish()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attached_adapters_change_no_output_and_come_off_without_a_trace(make_model, dtype):
    model = make_model(dtype=dtype)
    before, logits = snapshot(model), model(IDS).logits
    weights = attach(model)
    assert torch.equal(model(IDS).logits, logits)
    move(weights)
    assert not torch.equal(model(IDS).logits, logits)
    weights.release()
    after = snapshot(model)
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(model(IDS).logits, logits) and not any(p.requires_grad for p in model.parameters())


def adapted(weights, inputs, target):
    """W x in bfloat16 plus alpha / rank B A x in float32, rounded to bfloat16."""
    a, b = (weights.master[f"{target}.lora_{part}.default.weight"] for part in "AB")
    base = inputs @ weights.reference_tensors()[f"{target}.weight"].T
    return (base.float() + 8.0 / 4 * inputs.float() @ a.T @ b.T).bfloat16()


@pytest.mark.parametrize("trained", ["relearning", "unlearning"])
def test_in_a_bfloat16_model_factors_are_float32_and_move_by_less_than_bfloat16_holds(make_model, settings, trained):
    model = make_model(dtype=torch.bfloat16)
    if trained == "relearning":
        attacker = Relearn(documents=[1], steps=[1], learning_rate=1.0, batch_size=1, tokens=8, trained="lora", rank=4)
        weights = attacker.weights(model, seed=0)
    else:
        lora = {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "down_proj"]}
        weights = unlearning.trained_weights(model, settings("npo", trained="lora", lora=lora), seed=0)
    assert {tensor.dtype for tensor in weights.live.values()} == {torch.float32}
    assert {tensor.dtype for tensor in weights.delta().values()} == {torch.bfloat16}
    before = {name: tensor.detach().clone() for name, tensor in weights.live.items()}
    for tensor in weights.master.values():
        tensor += 1e-6
    weights.publish()
    assert all(not torch.equal(tensor, before[name]) for name, tensor in weights.live.items())
    gradients = weights.gradient(model(IDS).logits.float().square().mean())
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients.values())


def test_a_bfloat16_model_adds_what_float32_factors_give(make_model):
    model = make_model(dtype=torch.bfloat16)
    weights = attach(model)
    move(weights, size=0.05)
    for target in TARGETS:
        module = model.get_submodule(target)
        inputs = torch.randn(5, module.in_features, generator=random(3)).bfloat16()
        assert torch.equal(module(inputs), adapted(weights, inputs, target))
        merged = inputs.float() @ weights.delta()[f"{target}.weight"].float().T
        torch.testing.assert_close(module(inputs).float(), merged, rtol=0.02, atol=0.02)


def test_the_delta_is_the_merged_weight_by_its_formula(tiny_model):
    before = snapshot(tiny_model)
    weights = attach(tiny_model)
    move(weights)
    delta, adapted = weights.delta(), tiny_model(IDS).logits
    assert sorted(delta) == [f"{name}.weight" for name in TARGETS]
    for name in TARGETS:
        a, b = (weights.master[f"{name}.lora_{part}.default.weight"] for part in "AB")
        assert a.shape[0] == b.shape[1] == 4
        torch.testing.assert_close(delta[f"{name}.weight"], before[f"{name}.weight"] + 8.0 / 4 * b @ a)
    added = {name: delta[name] - before[name] for name in delta}
    assert weights.change(delta) == pytest.approx(norm(added), rel=1e-6)
    weights.release()
    with torch.no_grad():
        for name, tensor in delta.items():
            tiny_model.get_parameter(name).copy_(tensor)
    torch.testing.assert_close(tiny_model(IDS).logits, adapted, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_factors_follow_from_that_of_the_merged_weight(tiny_model):
    plain = copy.deepcopy(tiny_model)
    weights = attach(tiny_model)
    move(weights)
    found = weights.gradient(tiny_model(IDS).logits.square().mean())
    with torch.no_grad():
        for name, tensor in weights.delta().items():
            plain.get_parameter(name).copy_(tensor)
    for name in TARGETS:
        plain.get_parameter(f"{name}.weight").requires_grad_(True)
    plain(IDS).logits.square().mean().backward()
    for name in TARGETS:
        a, b = (weights.master[f"{name}.lora_{part}.default.weight"] for part in "AB")
        whole = plain.get_parameter(f"{name}.weight").grad
        torch.testing.assert_close(found[f"{name}.lora_A.default.weight"], 2.0 * b.T @ whole, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(found[f"{name}.lora_B.default.weight"], 2.0 * whole @ a.T, rtol=1e-3, atol=1e-6)


def test_the_first_factor_is_drawn_from_the_seed_within_its_bound(make_model):
    one, same, other = (attach(make_model(), seed=seed).master for seed in (0, 0, 1))
    name = f"{TARGETS[0]}.lora_A.default.weight"
    assert torch.equal(one[name], same[name]) and not torch.equal(one[name], other[name])
    bound = 1 / math.sqrt(one[name].shape[1])
    assert 0.9 * bound < one[name].abs().max() <= bound


def test_adapters_can_be_put_on_again(tiny_model):
    attach(tiny_model).release()
    again = attach(tiny_model, rank=2)
    assert again.master[f"{TARGETS[0]}.lora_A.default.weight"].shape[0] == 2
    assert len(again.master) == 2 * len(TARGETS)


def test_modules_are_found_by_their_last_name_and_a_missing_one_is_named(tiny_model):
    assert modules_of_layers(tiny_model, [1, 2], ["v_proj", "up_proj"]) == [
        "model.layers.1.self_attn.v_proj", "model.layers.1.mlp.up_proj",
        "model.layers.2.self_attn.v_proj", "model.layers.2.mlp.up_proj",
    ]  # fmt: skip
    with pytest.raises(ArchitectureError, match=r"layers\.1 has no linear module c_proj.*self_attn\.q_proj"):
        modules_of_layers(tiny_model, [1], ["c_proj"])


@pytest.mark.parametrize(
    ("family", "names", "targets"),
    [
        ("phi3", ["q_proj", "v_proj", "up_proj"], ["self_attn.qkv_proj", "mlp.gate_up_proj"]),
        ("gpt-neox parallel", ["k_proj", "down_proj"], ["attention.query_key_value", "mlp.dense_4h_to_h"]),
        ("gpt2", ["v_proj", "c_proj"], ["attn.c_attn", "attn.c_proj", "mlp.c_proj"]),
        ("falcon", ["o_proj", "dense_h_to_4h"], ["self_attention.dense", "mlp.dense_h_to_4h"]),
        ("opt", ["o_proj", "up_proj", "fc2"], ["self_attn.out_proj", "fc1", "fc2"]),
    ],
)
def test_modules_are_found_by_role_too_and_a_fused_one_once(family, names, targets):
    model = family_model(family)
    layer = stack_of(model).layer(1)
    assert modules_of_layers(model, [1], names) == [f"{layer.name}.{target}" for target in targets]
    if family != "phi3":
        with pytest.raises(ArchitectureError, match=f"{layer.name} has no linear module gate_proj"):
            modules_of_layers(model, [1], ["gate_proj"])


def test_an_adapter_on_a_transposed_matrix_is_one_on_the_matrix():
    model = family_model("gpt2")
    names = modules_of_layers(model, [1], ["q_proj", "down_proj"])
    deltas = {}
    for each in (model, untransposed(model)):
        weights = LowRankWeights(each, names, 3, 6.0, random())
        move(weights)
        delta, adapted = weights.delta(), each(IDS).logits
        weights.release()
        with applied(each, delta):
            torch.testing.assert_close(each(IDS).logits, adapted, rtol=1e-4, atol=1e-5)
        deltas[each] = (delta, adapted)
    (stored, logits), (plain, expected) = deltas.values()
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    for name, tensor in plain.items():
        torch.testing.assert_close(stored[name], tensor.T)


@pytest.mark.parametrize(
    ("target", "error"), [("model.layers.9.mlp", KeyError), ("model.layers.1.input_layernorm", ValueError)]
)
def test_adapters_go_on_linear_modules_that_exist(tiny_model, target, error):
    with pytest.raises(error, match=target.rsplit(".", 1)[-1] if error is ValueError else "no module"):
        LowRankWeights(tiny_model, [target], 2, 4.0, random())


def test_every_tensor_of_a_layer_is_named(tiny_model):
    names = tensors_of_layers(tiny_model, [2])
    assert len(names) == 9 and all(name.startswith("model.layers.2.") for name in names)
