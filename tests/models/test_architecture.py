import pytest
import torch
from families import FAMILIES, MIXTURES, family_model
from torch import nn

from unlearning_robustness.models.architecture import (
    ATTENTION,
    MLP,
    ArchitectureError,
    layer_of,
    layers_of,
    linear_modules,
    sizes_of,
    stack_of,
)
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.sites import after_attention, attention_modules, mlp_modules

LLAMA = (
    "model.layers",
    "norm",
    "self_attn.q_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
# By family: layers, what follows them, queries, output, gate, up, down; families that are not here are as Llama.
PARTS = {
    "phi3": (*LLAMA[:2], "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.gate_up_proj", LLAMA[6]),
    "gpt2": ("transformer.h", "ln_f", "attn.c_attn", "attn.c_proj", None, "mlp.c_fc", "mlp.c_proj"),
    "phi": ("model.layers", "final_layernorm", LLAMA[2], "self_attn.dense", None, "mlp.fc1", "mlp.fc2"),
    "falcon": (
        "transformer.h", "ln_f", "self_attention.query_key_value", "self_attention.dense", None, "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
    ),
    "opt": ("model.decoder.layers", "final_layer_norm", LLAMA[2], "self_attn.out_proj", None, "fc1", "fc2"),
    "starcoder2": (*LLAMA[:4], None, "mlp.c_fc", "mlp.c_proj"),
}  # fmt: skip
NEOX = ("gpt_neox.layers", "final_layer_norm", "attention.query_key_value", "attention.dense", None)
PARTS |= dict.fromkeys(("gpt-neox parallel", "gpt-neox serial"), (*NEOX, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"))
# Where attention and MLP stand side by side nothing passes between them.
PARALLEL = ("cohere", "cohere2", "gpt-neox parallel", "phi", "falcon")
DENSE = [family for family in FAMILIES if family not in MIXTURES]


@pytest.mark.parametrize("family", DENSE)
def test_parts_are_found_by_their_role(family):
    model = family_model(family)
    layers, norm, query, output, gate, up, down = PARTS.get(family, LLAMA)
    stack = stack_of(model)
    assert (f"{stack.name}.{stack.list_name}", stack.after, stack.width) == (layers, [norm], 32)
    for index, layer in enumerate(layers_of(model)):
        found = {role: part.name.removeprefix(f"{layers}.{index}.") for role, part in layer.projections.items()}
        expected = {"q_proj": query, "o_proj": output, "gate_proj": gate, "up_proj": up, "down_proj": down}
        assert {role: name for role, name in expected.items() if name} == {
            role: name for role, name in found.items() if role not in ("k_proj", "v_proj")
        }
        assert found["k_proj"] == query.replace("q_proj", "k_proj")
        assert set(found) <= {*ATTENTION, *MLP} and not layer.is_mixture
        for name, module in layer.linear.items():
            assert model.get_submodule(name) is module


def test_the_sizes_of_a_matrix_are_those_of_what_it_maps_however_it_is_stored():
    for family in ("llama", "gpt2"):
        down = layers_of(family_model(family))[0].down_proj.module
        assert sizes_of(down) == (64, 32) and down(torch.ones(1, 64)).shape == (1, 32)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_enters_and_what_leaves_the_layers_have_all_other_parameters(family):
    model = family_model(family)
    stack = stack_of(model)
    around = [stack.decoder.get_submodule(name) for name in (*stack.before, *stack.after)]
    modules = [*stack.layers, *around, stack.unembedding]
    named = {id(tensor) for module in modules for tensor in module.parameters()}
    assert named == {id(tensor) for tensor in model.parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_between_attention_and_mlp_is_the_sum_that_the_layer_makes(family):
    """It is what entered the layer when the attention adds nothing to it, and otherwise something else."""
    model, ids = family_model(family), torch.arange(12).view(2, 6)
    if family in PARALLEL:
        with pytest.raises(ArchitectureError, match="attention and MLP side by side"):
            after_attention(model)
        return
    (site, layer), between, entering, leaving = (after_attention(model)[2], layers_of(model)[2]), [], [], []
    with hooked([(site, between.append), (layer.module, leaving.append)]):
        layer.module.register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
        model(ids)
        nothing = layer.attention.module.register_forward_hook(lambda _, __, output: (0 * output[0], *output[1:]))
        model(ids)
        nothing.remove()
    shape = entering[0].shape
    torch.testing.assert_close(between[1].view(shape), entering[1])
    assert not torch.allclose(between[0].view(shape), entering[0], atol=1e-2)
    assert not torch.allclose(between[0].view(shape), leaving[0], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_has_an_attention_and_an_mlp_to_read(family):
    model = family_model(family)
    streams = []
    sites = [attention_modules(model)[3], mlp_modules(model)[3]]
    with hooked([(site, streams.append) for site in sites]):
        model(torch.arange(12).view(2, 6))
    assert [stream.numel() for stream in streams] == [2 * 6 * 32] * 2


@pytest.mark.parametrize("family", MIXTURES)
def test_a_mixture_of_experts_has_no_one_down_projection(family):
    layer = layers_of(family_model(family))[1]
    assert layer.is_mixture
    with pytest.raises(ArchitectureError, match=r"model\.layers\.1\.mlp is a mixture of experts"):
        _ = layer.down_proj
    assert layer.o_proj.name == "model.layers.1.self_attn.o_proj"


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model.layers.12.mlp.down_proj.weight", 12), ("transformer.h.3.attn.c_proj.bias", 3),
        ("model.decoder.layers.0.fc2.weight", 0), ("model.layers.3.mlp.experts.5.w1.weight", 3),
        ("model.embed_tokens.weight", None), ("lm_head.weight", None), ("transformer.ln_f.bias", None),
    ],
)  # fmt: skip
def test_the_layer_of_a_tensor_is_read_from_its_name(name, layer):
    assert layer_of(name) == layer


def test_what_a_model_lacks_is_named():
    model = family_model("llama")
    with pytest.raises(ArchitectureError, match="4 layers, no layer 4"):
        stack_of(model).layer(4)
    delattr(model.model.layers[1], "mlp")
    with pytest.raises(ArchitectureError, match=r"model\.layers\.1 must have one MLP .* it has none"):
        _ = layers_of(model)[1].mlp
    model.model.layers[2].mlp.down_proj = nn.Linear(64, 31)
    with pytest.raises(ArchitectureError, match=r"the MLP of model\.layers\.2 has no linear module of 32 outputs"):
        _ = layers_of(model)[2].down_proj
    model.model.layers[3].second = nn.Linear(32, 32)
    with pytest.raises(ArchitectureError, match=r"it has model\.layers\.3\.mlp, model\.layers\.3\.second"):
        _ = layers_of(model)[3].mlp
    model.lm_head = None
    with pytest.raises(ArchitectureError, match="LlamaForCausalLM has no unembedding"):
        _ = stack_of(model).unembedding
    model.model.norm = nn.Identity()
    with pytest.raises(ArchitectureError, match="LlamaForCausalLM has no final norm"):
        _ = stack_of(model).after
    model.model.layers = nn.Sequential(*model.model.layers)
    with pytest.raises(ArchitectureError, match="LlamaForCausalLM has no one list of decoder layers"):
        stack_of(model)


def test_linear_modules_are_named_by_their_weights():
    model = family_model("gpt2")
    for name, module in linear_modules(model).items():
        assert model.get_parameter(name) is module.weight
    assert len(linear_modules(model)) == 4 * 4
