"""The sizes of a model from its ``config.json``, whatever the family calls them; needs no torch, no transformers."""

from collections.abc import Mapping
from pathlib import Path

from unlearning_robustness.runtime.manifest import read_json

# What families call a size, Llama's name first.
NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads"),
    # The inner width of one expert, where there are experts.
    "intermediate_size": ("moe_intermediate_size", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocab_size": ("vocab_size",),
    "head_dim": ("head_dim",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "experts_per_token": ("num_experts_per_tok",),
}
# Where a configuration says how many positions a model has, in lm-eval's order.
POSITIONS = ("n_positions", "max_position_embeddings", "n_ctx")
LONG_ROPES = ("longrope", "su")  # the second is its older name
# Families whose MLPs are two matrices, with no gate between them.
WITHOUT_GATE = {
    "bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "nemotron", "opt",
    "persimmon", "phi", "starcoder2",
}  # fmt: skip


def sizes_in(config: Mapping) -> dict[str, int | bool]:
    """The fields of a ``Shape`` from the contents of a ``config.json``; those it does not say have defaults there.

    Of a model that reads more than text this is its language model.
    """
    config = {**config, **(config.get("text_config") or {})}
    sizes = {field: _first(config, names) for field, names in NAMES.items()}
    sizes = {field: size for field, size in sizes.items() if size is not None}
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        sizes["num_key_value_heads"] = 1  # Falcon
    if "num_attention_heads" in sizes:
        sizes.setdefault("num_key_value_heads", sizes["num_attention_heads"])
    if "hidden_size" in sizes:
        sizes.setdefault("intermediate_size", 4 * sizes["hidden_size"])
    if "model_type" in config:
        sizes["gated"] = config["model_type"] not in WITHOUT_GATE
    if "tie_word_embeddings" in config:
        sizes["tie_word_embeddings"] = config["tie_word_embeddings"]
    return sizes


def positions_of(config: Mapping) -> int | None:
    """The number of positions that the contents of a ``config.json`` give a model, or None where they give none.

    With long rope (Phi-3) those that it was first trained on: behind them transformers turns every text of a batch by
    other factors as soon as one of them is longer, so that a score would depend on its neighbours.
    """
    config = {**config, **(config.get("text_config") or {})}
    ropes = config.get("rope_parameters") or config.get("rope_scaling") or {}
    every = [ropes, *(rope for rope in ropes.values() if isinstance(rope, Mapping))]  # one, or one a kind of layer
    first = [
        {**config, **rope}.get("original_max_position_embeddings")
        for rope in every
        if rope.get("rope_type", rope.get("type")) in LONG_ROPES
    ]
    return min((number for number in [_first(config, POSITIONS), *first] if isinstance(number, int)), default=None)


def contents_of(path: Path) -> dict:
    """The contents of a ``config.json``; nothing where the file holds no such thing, which its own job reports."""
    try:
        content = read_json(path)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _first(config: Mapping, names: tuple[str, ...]):
    return next((config[name] for name in names if config.get(name) is not None), None)
