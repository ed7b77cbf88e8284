import json

import pytest
from families import FAMILIES, SHAPE, family_model

from unlearning_robustness.models.architecture import layers_of, stack_of
from unlearning_robustness.models.shape import Shape, depths_in, shape_of


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shape_of_a_config_json_has_the_weights_of_the_model(family, tmp_path):
    model = family_model(family)
    # Sizes that the family has no name for are none of its own.
    own, every = type(model.config)(), json.loads(model.config.to_json_string())
    config = {name: value for name, value in every.items() if name not in SHAPE or hasattr(own, name)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shape = shape_of("m", {}, tmp_path)
    layers = stack_of(model).layers
    # Routers of experts are a few weights that the shape leaves out, as it does norms, biases and sinks.
    routers = ("mlp.gate.", "router")
    weights = [(name, tensor) for name, tensor in layers.named_parameters() if tensor.ndim > 1]
    counted = sum(tensor.numel() for name, tensor in weights if not any(router in name for router in routers))
    if family == "gpt-oss":
        counted -= 4 * 4 * (2 * 64 + 32)  # biases of its experts
    assert 4 * shape.layer_parameters == counted
    assert shape.num_hidden_layers == len(layers) == 4
    assert shape.tie_word_embeddings == model.config.tie_word_embeddings
    if shape.experts == 1:
        assert shape.projection_parameters == layers_of(model)[0].down_proj.module.weight.numel()


# As the hub has them, with what a plan needs to know: weights in billions.
HUB = {
    "gpt2": ({"n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257, "tie_word_embeddings": True}, 0.124),
    "gpt_neox": (
        {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "intermediate_size": 16384,
         "vocab_size": 50432, "tie_word_embeddings": False}, 6.9,
    ),
    "falcon": (
        {"hidden_size": 4544, "num_attention_heads": 71, "num_hidden_layers": 32, "multi_query": True,
         "new_decoder_architecture": False, "vocab_size": 65024, "tie_word_embeddings": True}, 6.9,
    ),
    "opt": (
        {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "ffn_dim": 16384,
         "vocab_size": 50272, "tie_word_embeddings": True}, 6.7,
    ),
    "mixtral": (
        {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
         "intermediate_size": 14336, "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000,
         "tie_word_embeddings": False}, 46.7,
    ),
    "gemma3": (
        {"text_config": {"hidden_size": 2560, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
                         "intermediate_size": 10240, "num_hidden_layers": 34, "vocab_size": 262208},
         "tie_word_embeddings": True}, 3.9,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HUB)
def test_a_config_of_the_hub_gives_the_size_that_the_model_is_known_by(kind):
    config, billions = HUB[kind]
    assert Shape.of({"model_type": kind, **config}).parameters / 1e9 == pytest.approx(billions, rel=0.015)


def test_each_token_goes_through_the_experts_that_it_takes():
    config, _ = HUB["mixtral"]
    active = Shape.of({**config, "num_local_experts": 2})
    assert Shape.of(config).forward(32) == active.forward(32) < 2 * active.parameters


def test_a_declared_shape_is_read_as_a_config_is():
    names = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    declared = {name: SHAPE[name] for name in (*names, "vocab_size")}
    gated = Shape.of(declared)
    assert gated == Shape(**declared)
    assert gated.layer_parameters - Shape.of({**declared, "model_type": "phi"}).layer_parameters == 32 * 64


@pytest.mark.parametrize(("name", "depth"), [("num_hidden_layers", 5), ("n_layer", 6), ("n_layers", 7)])
def test_the_depth_of_a_fetched_model_is_read_by_its_familys_name(tmp_path, name, depth):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text(json.dumps({name: depth}))
    assert depths_in({"study": {"models": ["m"]}, "models": {"m": {}}}, tmp_path) == {"m": depth}
