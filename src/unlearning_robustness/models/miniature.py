"""A small random model of a configuration: every layer, flag, scale and kind of attention of it, a fraction as wide.

What a family computes is decided by its configuration, not by its weights. So whether other code computes the same
shows on a model of some megabytes as on one of many gigabytes, and better: each random weight shows in the output, and
windows are shorter than a short text and caps lower than its scores.
"""

import copy

import torch
from torch import nn
from transformers import PreTrainedConfig

VOCABULARY, INNER, EXPERTS, WINDOW, CAP = 256, 32, 4, 4, 1.0
# What families call the widths of their MLPs, their numbers of experts and the windows of their attention.
INNER_NAMES = ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "moe_intermediate_size",
               "shared_expert_intermediate_size", "intermediate_size_mlp")  # fmt: skip
EXPERT_NAMES = ("num_local_experts", "num_experts", "n_routed_experts")
WINDOW_NAMES = ("sliding_window", "window_size", "attention_chunk_size")
CAP_NAMES = ("attn_logit_softcapping", "final_logit_softcapping")


def miniature(config: PreTrainedConfig, kernel: str) -> nn.Module:
    """A random causal model in float32 with ``kernel`` attention, as ``config`` says but for its sizes.

    Heads keep their size, which rotary embeddings depend on, and there are two of them; the vocabulary, the MLPs, the
    experts and the windows are small.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(_small(config), dtype=torch.float32, attn_implementation=kernel)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1 and name.endswith("weight"):
                tensor.uniform_(0.5, 1.5, generator=random)
            elif tensor.ndim == 1:
                # Larger biases would be all that a layer hands on, and hide what it makes of other tokens.
                tensor.normal_(0.0, 0.1, generator=random)
            else:
                tensor.normal_(0.0, tensor.shape[-1] ** -0.5, generator=random)
    return model.requires_grad_(False).eval()


def _small(config: PreTrainedConfig) -> PreTrainedConfig:
    small, heads = copy.deepcopy(config), config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    groups = {
        name: 2 if getattr(config, name) == heads else 1
        for name in ("num_key_value_heads", "num_kv_heads")
        if getattr(config, name, None)
    }
    sizes = {"num_attention_heads": 2, "hidden_size": 2 * head, "vocab_size": VOCABULARY, "pad_token_id": None} | groups
    sizes |= {name: INNER for name in INNER_NAMES if getattr(config, name, None)}
    sizes |= {name: EXPERTS for name in EXPERT_NAMES if getattr(config, name, None)}
    sizes |= {name: WINDOW for name in WINDOW_NAMES if getattr(config, name, None)}
    sizes |= {name: CAP for name in CAP_NAMES if getattr(config, name, None)}
    if getattr(config, "num_experts_per_tok", None):
        sizes["num_experts_per_tok"] = min(2, config.num_experts_per_tok)
    if projected := getattr(config, "word_embed_proj_dim", None):
        sizes["word_embed_proj_dim"] = 2 * head if projected == config.hidden_size else head
    for name, size in sizes.items():
        setattr(small, name, size)
    return small
