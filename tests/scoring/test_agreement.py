import pytest
import torch
from families import FAMILIES, SHAPE, WINDOWS, family_model
from transformers import AutoConfig

from unlearning_robustness.errors import FetchError
from unlearning_robustness.models import attention
from unlearning_robustness.models.attention import kernel_of
from unlearning_robustness.models.miniature import miniature
from unlearning_robustness.scoring import agreement
from unlearning_robustness.scoring.agreement import check_agreement, check_configuration, effect_of_order


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_agrees_with_its_own_forward_pass(family):
    model = family_model(family)
    for differences in (check_agreement(model), check_configuration(model.config)):
        assert len(differences) == 8 and max(differences.values()) < 2e-5


LONG_ROPE = {"type": "longrope", "short_factor": [1.05] * 48, "long_factor": [1.1 + place / 2 for place in range(48)]}
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
# Sizes and embeddings of positions as the hub's configurations have them, but for the number of layers.
HUB = {
    "Llama-3.1-8B": ("llama", {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
                               "rope_scaling": LLAMA3_ROPE}),
    "Phi-3-mini-128k": ("phi3", {"hidden_size": 3072, "num_attention_heads": 32, "max_position_embeddings": 131072,
                                 "original_max_position_embeddings": 4096, "sliding_window": 262144,
                                 "rope_scaling": LONG_ROPE}),
    "pythia-6.9b": ("gpt_neox", {"hidden_size": 4096, "num_attention_heads": 32, "rotary_pct": 0.25}),
    "phi-2": ("phi", {"hidden_size": 2560, "num_attention_heads": 32, "partial_rotary_factor": 0.4}),
    "falcon-40b": ("falcon", {"hidden_size": 8192, "num_attention_heads": 128, "num_kv_heads": 8,
                              "new_decoder_architecture": True}),
    "opt-350m": ("opt", {"hidden_size": 1024, "num_attention_heads": 16, "word_embed_proj_dim": 512,
                         "do_layer_norm_before": False, "ffn_dim": 4096}),
    "gemma-2-2b": ("gemma2", {"hidden_size": 2304, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
                             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
                             "sliding_window": 4096, "query_pre_attn_scalar": 256}),
    "gpt2-xl": ("gpt2", {"hidden_size": 1600, "num_attention_heads": 25}),
    "gemma-3-270m": ("gemma3_text", {"hidden_size": 640, "num_attention_heads": 4, "num_key_value_heads": 1,
                                     "head_dim": 256, "sliding_window": 512, "query_pre_attn_scalar": 256}),
}  # fmt: skip


@pytest.mark.parametrize("model", HUB)
def test_models_of_the_hub_have_a_miniature_that_agrees(model):
    kind, sizes = HUB[model]
    config = AutoConfig.for_model(kind, num_hidden_layers=3, **sizes)
    assert max(check_configuration(config).values()) < 1e-4
    assert effect_of_order(miniature(config, kernel_of(config))) > 10 * agreement.TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_of_tokens_shows_in_every_familys_miniature(family):
    """What is proved on a model in which attention hardly counts is proved of nothing."""
    config = family_model(family).config
    assert effect_of_order(miniature(config, kernel_of(config))) > 10 * agreement.TOLERANCE


def test_a_miniature_without_visible_attention_is_refused(monkeypatch):
    def blind(config, kernel):
        model = miniature(config, kernel)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
        return model

    monkeypatch.setattr(agreement, "miniature", blind)
    with pytest.raises(FetchError, match=r"the order of tokens moves the logits .* by 0 standard deviations"):
        check_configuration(family_model("llama").config)


# What ``logits_of`` and spans would give if they did not run the model's own code around the layers, by family.
FAULTS = {
    "granite": ("logits of the last layer's output", lambda logits: 0.25 * logits),
    "cohere": ("logits of the last layer's output", lambda logits: logits / 4),
    "gemma2": ("logits of the last layer's output", lambda logits: logits.clamp(-0.999, 0.999).atanh()),
}


@pytest.mark.parametrize("family", FAULTS)
def test_logits_without_a_models_scale_or_cap_are_refused(monkeypatch, family):
    what, fault = FAULTS[family]
    exact = agreement.logits_of
    monkeypatch.setattr(agreement, "logits_of", lambda model, hidden: fault(exact(model, hidden)))
    kind, sizes = HUB["gemma-2-2b"]  # whose cap of 30 hardly touches a small model's logits; there it is 1
    config = AutoConfig.for_model(kind, **sizes) if family == "gemma2" else family_model(family).config
    with pytest.raises(FetchError, match=rf"{what} differ by \d\S* standard deviations") as raised:
        check_configuration(config)
    assert len(str(raised.value).splitlines()) == 1


def test_layers_that_do_not_start_from_the_stream_are_refused(monkeypatch):
    """As a span does that gives GPT-2 the stream for embeddings, to which it adds its positions once more."""
    span = agreement.LayerSpan

    class Careless(span):
        def forward(self, hidden=None, embeddings=None, **inputs):
            return super().forward(embeddings=embeddings if hidden is None else hidden, **inputs)

    monkeypatch.setattr(agreement, "LayerSpan", Careless)
    with pytest.raises(FetchError, match="GPT2LMHeadModel: logits of the layers from 0 on differ by"):
        check_agreement(family_model("gpt2"))


@pytest.mark.parametrize("family", ["gemma3", "olmo3", "mistral window"])
def test_windows_that_packed_questions_ignore_are_refused(monkeypatch, family):
    monkeypatch.setattr(attention, "within", lambda mask, *_: mask)
    with pytest.raises(FetchError, match="packed questions differ by"):
        check_configuration(family_model(family).config)


def test_a_kernel_that_leaves_out_a_cap_is_refused(monkeypatch):
    model = family_model("gemma2")
    monkeypatch.setattr(type(model), "_supports_sdpa", True)
    model.set_attn_implementation("sdpa")
    with pytest.raises(FetchError, match="logits by the fused attention"):
        check_agreement(model)


@pytest.mark.parametrize(
    ("family", "changes", "said"),
    [
        # Distances and windows that are counted in columns of the row, not in positions.
        ("mpt", {}, "MptForCausalLM: packed questions differ by"),
        ("gpt_neo", {"attention_types": [[["global", "local"], 2]]}, "GPTNeoForCausalLM: packed questions differ by"),
        ("falcon", {"alibi": True}, r"FalconForCausalLM: packed questions cannot be run here \(ValueError"),
        ("bloom", {}, r"BloomForCausalLM: packed questions cannot be run here \(ValueError"),
        ("qwen3_next", {}, "packed questions cannot be run here .* layers of linear_attention"),
        ("rwkv", {}, "rwkv: a small model of its configuration cannot be run here"),
        ("gemma3", {}, "gemma3 reads more than text: .* docs/hub.md"),
    ],
)
def test_a_family_that_cannot_be_measured_is_refused_in_one_line(family, changes, said):
    shape = {} if family in ("gemma3", "rwkv", "mpt") else SHAPE
    with pytest.raises(FetchError, match=said) as raised:
        check_configuration(AutoConfig.for_model(family, **{**shape, **changes}))
    assert len(str(raised.value).splitlines()) == 1


def test_a_miniature_keeps_every_layer_and_flag_and_shrinks_the_rest():
    sizes = {"hidden_size": 2304, "intermediate_size": 9216, "num_attention_heads": 8, "num_key_value_heads": 4}
    own = {"head_dim": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 4096}
    kinds = WINDOWS["layer_types"] * 6
    config = AutoConfig.for_model("gemma2", num_hidden_layers=24, layer_types=kinds, **sizes, **own)
    model = miniature(config, kernel_of(config))
    small = model.config
    assert (small.sliding_window, small.hidden_size, small.head_dim) == (4, 512, 256)
    assert (small.layer_types, small.attn_logit_softcapping, small.final_logit_softcapping) == (kinds, 1.0, 1.0)
    assert len(model.model.layers) == 24 and sum(tensor.numel() for tensor in model.parameters()) < 25e6
    assert config.sliding_window == 4096 and config.hidden_size == 2304
    again = miniature(config, kernel_of(config))
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
