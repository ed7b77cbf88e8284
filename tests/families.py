"""A tiny random model of every architecture family that people unlearn from, in memory or as a model folder."""

import copy
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.pytorch_utils import Conv1D

from unlearning_robustness.data.model_folder import write_folder

WIDTH, LAYERS, VOCABULARY, POSITIONS = 32, 4, 260, 512
SHAPE = {
    "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS,
    "bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258, "tie_word_embeddings": False,
}  # fmt: skip
# Layers that look back 4 tokens, the last one included, alternate with layers that look back to the first.
WINDOWS = {"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 4}
EXPERTS = {"num_experts_per_tok": 2, "num_local_experts": 4}
QWEN_EXPERTS = {"num_experts_per_tok": 2, "num_experts": 4, "moe_intermediate_size": 48}
GPT_OSS = {"head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
GRANITE = {"embedding_multiplier": 6.0, "residual_multiplier": 0.3, "logits_scaling": 0.25, "attention_multiplier": 0.2}
# By family: transformers' name of it, and what differs from ``SHAPE`` so that its peculiarity shows.
FAMILIES = {
    "llama": ("llama", {}),
    "llama tied": ("llama", {"tie_word_embeddings": True}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama without pad token": ("llama", {"pad_token_id": None}),
    "llama 172 units": ("llama", {"intermediate_size": 172}),
    "mistral window": ("mistral", {"sliding_window": 4}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "gemma": ("gemma", {"head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": (
        "gemma2",
        WINDOWS | {"head_dim": 8, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0,
                   "query_pre_attn_scalar": 8, "tie_word_embeddings": True},
    ),
    "gemma3": ("gemma3_text", WINDOWS | {"head_dim": 8, "query_pre_attn_scalar": 8, "tie_word_embeddings": True}),
    "phi3": ("phi3", {"sliding_window": None}),
    "olmo": ("olmo", {"clip_qkv": 2.0}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", WINDOWS),
    "stablelm": ("stablelm", {"use_qkv_bias": True}),
    "smollm3": ("smollm3", {}),
    "granite": ("granite", GRANITE),
    "cohere": ("cohere", {"logit_scale": 4.0, "tie_word_embeddings": True}),
    "cohere2": ("cohere2", WINDOWS | {"logit_scale": 4.0, "head_dim": 8, "tie_word_embeddings": True}),
    "gpt-neox parallel": ("gpt_neox", {"use_parallel_residual": True}),
    "gpt-neox serial": ("gpt_neox", {"use_parallel_residual": False}),
    "gpt2": ("gpt2", {"n_inner": 64, "tie_word_embeddings": True}),
    "phi": ("phi", {"num_key_value_heads": 4}),
    "falcon": ("falcon", {"multi_query": True, "new_decoder_architecture": False, "tie_word_embeddings": True}),
    "opt": ("opt", {"ffn_dim": 64, "word_embed_proj_dim": WIDTH, "tie_word_embeddings": True}),
    "starcoder2": ("starcoder2", {}),
    "mixtral": ("mixtral", EXPERTS),
    "qwen3-moe": ("qwen3_moe", QWEN_EXPERTS | {"head_dim": 8}),
    "gpt-oss": ("gpt_oss", WINDOWS | EXPERTS | GPT_OSS),
}  # fmt: skip
MIXTURES = ("mixtral", "qwen3-moe", "gpt-oss")


def family_model(family: str, seed: int = 0, dtype: torch.dtype = torch.float32, **changes) -> nn.Module:
    """A family's frozen random model, whose weights are large enough that every part of it shows in the logits.

    Every parameter is drawn here, norms and biases too, so that nothing depends on how transformers initialises.
    ``changes`` are entries of the model's configuration.
    """
    kind, own = FAMILIES[family]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**SHAPE, **own, **changes}))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1 and name.endswith("weight"):
                tensor.uniform_(0.5, 1.5, generator=random)
            else:
                tensor.normal_(0.0, 0.15, generator=random)
    model.requires_grad_(False)
    model.config.use_cache = False
    return model.to(dtype).eval()


def untransposed(model: nn.Module) -> nn.Module:
    """The same GPT-2 with ``nn.Linear`` instead of modules that store their matrix as (inputs, outputs)."""
    twin = copy.deepcopy(model)
    for name, module in list(twin.named_modules()):
        if isinstance(module, Conv1D):
            linear = nn.Linear(module.nx, module.nf).requires_grad_(False)
            linear.load_state_dict({"weight": module.weight.T, "bias": module.bias})
            twin.set_submodule(name, linear)
    return twin


def family_folder(family: str, folder: Path, tokenizer: PreTrainedTokenizerFast, **changes) -> Path:
    """Writes a family's model with ``tokenizer`` as the package keeps model folders; returns ``folder``."""
    write_folder(family_model(family, **changes), tokenizer, folder, {})
    return folder
