import math

import pytest
import torch
from families import MIXTURES, family_model

from unlearning_robustness.engine.weights import (
    TrainedWeights,
    down_projections,
    norm,
    output_biases,
    tensors_of_layers,
)
from unlearning_robustness.models.architecture import ArchitectureError

IDS = torch.arange(24).view(2, 12)
NAMES = ["model.layers.1.mlp.down_proj.weight", "model.layers.2.mlp.down_proj.weight"]


@pytest.fixture
def low(make_model):
    return make_model(dtype=torch.bfloat16)


def snapshot(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def test_down_projections_names_the_down_projection_of_each_layer(tiny_model):
    assert down_projections(tiny_model, (1, 2)) == NAMES


def test_layers_beyond_the_model_have_no_down_projection(tiny_model):
    with pytest.raises(ArchitectureError, match="has 4 layers, no layer 4"):
        down_projections(tiny_model, [4])


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("phi3", "model.layers.2.mlp.down_proj"), ("gpt2", "transformer.h.2.mlp.c_proj"),
        ("gpt-neox serial", "gpt_neox.layers.2.mlp.dense_4h_to_h"), ("phi", "model.layers.2.mlp.fc2"),
        ("falcon", "transformer.h.2.mlp.dense_4h_to_h"), ("opt", "model.decoder.layers.2.fc2"),
        ("starcoder2", "model.layers.2.mlp.c_proj"),
    ],
)  # fmt: skip
def test_the_down_projection_is_what_the_mlp_ends_with_and_its_bias_stays(family, name):
    model = family_model(family)
    assert down_projections(model, [2]) == [f"{name}.weight"]
    layer = name.partition(".2.")[0] + ".2."
    every = tensors_of_layers(model, [2])
    assert every == [name for name, _ in model.named_parameters() if name.startswith(layer)] and len(every) > 4


@pytest.mark.parametrize("family", MIXTURES)
def test_a_mixture_of_experts_has_no_one_down_projection(family):
    with pytest.raises(ArchitectureError, match="mixture of experts"):
        down_projections(family_model(family), [1])


def test_a_trained_output_bias_adds_one_vector_to_what_leaves_a_layer(make_model):
    model = make_model(attention_bias=True, mlp_bias=True)
    (name,) = output_biases(model, [1])
    assert name == "model.layers.1.mlp.down_proj.bias"
    before = model(IDS, output_hidden_states=True).hidden_states[2]
    with torch.no_grad():
        model.get_parameter(name).add_(0.5)
    added = model(IDS, output_hidden_states=True).hidden_states[2] - before
    assert torch.allclose(added, torch.full_like(added, 0.5), atol=1e-5)


def test_without_a_bias_of_the_mlp_it_is_the_attention_s_and_without_both_it_is_refused(make_model, tiny_model):
    assert output_biases(make_model(attention_bias=True), [0, 2]) == [
        "model.layers.0.self_attn.o_proj.bias",
        "model.layers.2.self_attn.o_proj.bias",
    ]
    with pytest.raises(ArchitectureError, match="writes to the residual stream without a bias: give `trained` another"):
        output_biases(tiny_model, [1])


def test_an_unknown_name_is_refused(tiny_model):
    with pytest.raises(KeyError, match="no tensor nothing"):
        TrainedWeights(tiny_model, [NAMES[0], "nothing"])


def test_only_the_named_tensors_get_gradients(tiny_model):
    weights = TrainedWeights(tiny_model, NAMES)
    gradient = weights.gradient(tiny_model(IDS).logits.square().mean())
    assert [name for name, tensor in tiny_model.named_parameters() if tensor.requires_grad] == NAMES
    assert list(gradient) == NAMES and all(value.abs().sum() > 0 for value in gradient.values())
    assert all(tensor.grad is None for tensor in tiny_model.parameters())


def test_gradients_are_float32_of_a_bfloat16_model(low):
    gradient = TrainedWeights(low, NAMES).gradient(low(IDS).logits.float().square().mean())
    assert {value.dtype for value in gradient.values()} == {torch.float32}


def test_publishing_the_masters_restores_a_bfloat16_model_bit_for_bit(low):
    before = snapshot(low)
    weights = TrainedWeights(low, NAMES)
    weights.publish({name: tensor + 0.3 for name, tensor in weights.master.items()})
    assert not torch.equal(low.get_parameter(NAMES[0]), before[NAMES[0]])
    weights.publish()
    assert all(torch.equal(tensor, before[name]) for name, tensor in low.named_parameters())


def test_the_model_stands_at_other_values_inside_and_at_the_masters_after(low):
    weights = TrainedWeights(low, NAMES)
    weights.master[NAMES[0]] += 0.1234567
    weights.publish()
    moved = snapshot(low)
    other = {name: torch.zeros_like(tensor) for name, tensor in weights.master.items()}
    with weights.at(other):
        assert low.get_parameter(NAMES[0]).abs().sum() == 0
    assert all(torch.equal(tensor, moved[name]) for name, tensor in low.named_parameters())


def test_the_masters_come_back_when_the_block_fails(low):
    weights = TrainedWeights(low, NAMES)
    before = snapshot(low)
    with pytest.raises(RuntimeError, match="planned"), weights.at({NAMES[0]: torch.zeros(32, 64)}):
        raise RuntimeError("planned")
    assert torch.equal(low.get_parameter(NAMES[0]), before[NAMES[0]])


def test_the_reference_is_the_original_after_training_moved_the_weights(low):
    before = snapshot(low)
    weights = TrainedWeights(low, NAMES)
    for tensor in weights.master.values():
        tensor.mul_(1.5)
    weights.publish()
    with weights.reference():
        assert all(torch.equal(low.get_parameter(name), before[name]) for name in NAMES)
    assert torch.equal(low.get_parameter(NAMES[1]), (1.5 * before[NAMES[1]].float()).bfloat16())


def test_change_is_the_norm_of_all_that_moved(tiny_model):
    weights = TrainedWeights(tiny_model, NAMES)
    assert weights.change(weights.delta()) == 0
    weights.master[NAMES[0]][3, 4] += 3.0
    weights.master[NAMES[1]][0, 0] -= 4.0
    weights.publish()
    assert weights.change(weights.delta()) == pytest.approx(5.0, rel=1e-6)


def test_norm_joins_all_tensors():
    assert norm({"a": torch.full((2, 2), 2.0), "b": torch.tensor([3.0])}) == pytest.approx(math.sqrt(16 + 9))


def test_small_steps_add_up_in_the_masters_where_bfloat16_rounds_each_away(low):
    weights = TrainedWeights(low, NAMES[:1])
    master, live = weights.master[NAMES[0]], weights.live[NAMES[0]]
    master.fill_(1.0)
    weights.publish()
    direct = live.detach().clone()
    for _ in range(40):
        master += 1e-3
        weights.publish()
        direct += 1e-3
    assert (direct == 1.0).all()
    torch.testing.assert_close(master, torch.full_like(master, 1.04), atol=1e-5, rtol=0)
    assert torch.equal(live.detach(), torch.full_like(live, 1.04))


def test_delta_is_what_the_model_holds(low):
    weights = TrainedWeights(low, NAMES)
    weights.master[NAMES[0]] += 0.01
    weights.publish()
    delta = weights.delta()
    weights.publish(weights.original)
    assert delta[NAMES[0]].dtype == torch.bfloat16 and not delta[NAMES[0]].requires_grad
    assert torch.equal(delta[NAMES[0]], weights.master[NAMES[0]].bfloat16())
