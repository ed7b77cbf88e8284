import pytest
import torch
import transformers
from families import family_model
from planted import given, known, questions, state, unharmed

from unlearning_robustness.attacks.logit_lens import LogitLens
from unlearning_robustness.attacks.select_split import halves
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import choice_log_likelihoods
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.streams import stream_log_likelihoods


@pytest.fixture(scope="module")
def asked():
    return questions(forget=18, retain=9)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
def test_each_layer_is_read_as_a_model_that_ends_there(make_model, tiny_tokenizer, asked, kind):
    model = make_model(kind)
    before, scorer = state(model), QuestionScorer(tiny_tokenizer, asked, 5)
    found = stream_log_likelihoods(scorer, model, layer_modules(model))
    assert found.shape == (4, 27, 4)
    assert torch.equal(found[3], scorer.log_likelihoods(model))
    for layer in range(4):
        span = LayerSpan(model, 0, layer + 1)

        def hidden(batch, span=span):
            return span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids)

        expected = choice_log_likelihoods(hidden, lambda rows: logits_of(model, rows), scorer.packed, 5)
        assert torch.allclose(found[layer].flatten(), expected, atol=1e-4)
    assert not torch.allclose(found[0], found[3], atol=0.5) and unharmed(model, before)


def seen(model, places, ids):
    """What passes each place."""
    passing = {}
    with hooked([(place, lambda hidden, name=name: passing.update({name: hidden})) for name, place in places.items()]):
        LayerSpan(model, 0, 4)(input_ids=ids)
    return passing


@pytest.fixture
def gemma(make_model):
    """Gemma 3, whose layers have norms before and behind attention and MLP."""
    shape = vars(make_model().config)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size")
    config = transformers.Gemma3TextConfig(**{name: shape[name] for name in names}, vocab_size=260, head_dim=8)
    return transformers.Gemma3ForCausalLM(config).requires_grad_(False).eval()


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Mistral", "Gemma"])
def test_what_a_layer_adds_is_what_attention_and_mlp_put_out(make_model, gemma, kind):
    model = gemma if kind == "Gemma" else make_model(kind)
    places = LogitLens(streams="all").places(model)
    if kind == "Gemma":
        for layer, module in enumerate(model.model.layers):
            places |= {f"attention {layer}": module.post_attention_layernorm}
            places |= {f"mlp {layer}": module.post_feedforward_layernorm}
    found = seen(model, places, torch.arange(12).view(2, 6))
    for layer in range(1, 4):
        between = found[f"layer {layer - 1}"] + found[f"attention {layer}"]
        assert torch.allclose(between, found[f"after attention {layer}"], atol=1e-4)
        assert torch.allclose(between + found[f"mlp {layer}"], found[f"layer {layer}"], atol=1e-4)
        assert not torch.allclose(between, found[f"layer {layer}"], atol=1e-2)


def turned(vectors, angles):
    """Rotary embedding by hand: vectors (T, heads, D) by angles (T, D / 2)."""
    low, high = vectors.chunk(2, dim=-1)
    sine, cosine = angles.sin()[:, None], angles.cos()[:, None]
    return torch.cat([low * cosine - high * sine, high * cosine + low * sine], dim=-1)


def between_by_hand(model, ids):
    """The stream (L, T, d) between attention and MLP of ids (T,), from the layers' weights alone."""
    config, found, hidden = model.config, [], model.model.embed_tokens.weight[ids]
    heads, groups, count = config.num_attention_heads, config.num_key_value_heads, len(ids)
    width = config.hidden_size // heads
    angles = torch.arange(count)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)

    def normed(stream, norm):
        return stream * (stream.square().mean(-1, keepdim=True) + config.rms_norm_eps).rsqrt() * norm.weight

    def linear(stream, module):
        return stream @ module.weight.T + (0 if module.bias is None else module.bias)

    for layer in model.model.layers:
        attention, mlp, given = layer.self_attn, layer.mlp, normed(hidden, layer.input_layernorm)
        query = turned(linear(given, attention.q_proj).view(count, heads, width), angles)
        key = turned(linear(given, attention.k_proj).view(count, groups, width), angles)
        key, value = (
            part.repeat_interleave(heads // groups, dim=1)
            for part in (key, linear(given, attention.v_proj).view(count, groups, width))
        )
        scores = torch.einsum("qhd,khd->hqk", query, key) / width**0.5
        scores = scores.masked_fill(~torch.ones(count, count, dtype=torch.bool).tril(), -torch.inf)
        mixed = torch.einsum("hqk,khd->qhd", scores.softmax(-1), value).reshape(count, -1)
        hidden = hidden + linear(mixed, attention.o_proj)
        found.append(hidden)
        given = normed(hidden, layer.post_attention_layernorm)
        gate = torch.nn.functional.silu(linear(given, mlp.gate_proj))
        hidden = hidden + linear(gate * linear(given, mlp.up_proj), mlp.down_proj)
    return torch.stack(found)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Mistral"])
def test_after_attention_is_read_what_the_layers_arithmetic_gives(make_model, tiny_tokenizer, asked, kind):
    model, row = make_model(kind), asked.iloc[0]
    places = [LogitLens(streams="all").places(model)[f"after attention {layer}"] for layer in range(4)]
    found = stream_log_likelihoods(QuestionScorer(tiny_tokenizer, asked.iloc[:1], 5), model, places)[:, 0]
    start = len(tiny_tokenizer.encode(row["prompt"]))
    for number, choice in enumerate(row["choices"]):
        ids = torch.tensor(tiny_tokenizer.encode(f"{row['prompt']} {choice}"))
        logits = logits_of(model, between_by_hand(model, ids)[:, start - 1 : -1]).log_softmax(-1)
        expected = logits.gather(-1, ids[start:].expand(4, -1)[..., None]).sum((1, 2))
        assert torch.allclose(found[:, number], expected, atol=1e-3)


def test_layers_may_be_named_and_the_last_alone_is_no_attack(tiny_model, tiny_tokenizer, asked):
    assert list(LogitLens("all", [0, 2]).places(tiny_model))[:5] == [
        "layer 3", "layer 2", "layer 0", "after attention 2", "after attention 0",
    ]  # fmt: skip
    (attacked,) = LogitLens(layers=[3]).run(given(tiny_model, tiny_tokenizer, asked))
    scorer = QuestionScorer(tiny_tokenizer, asked, 8)
    assert attacked.setting == "layer 3"
    assert torch.equal(attacked.read(scorer, tiny_model), scorer.log_likelihoods(tiny_model))
    with pytest.raises(DataError, match="has 4 layers, no layer 4"):
        LogitLens(layers=[1, 4]).places(tiny_model)


def test_one_forward_a_batch_reads_every_place(tiny_model, tiny_tokenizer, asked):
    calls, places = [], list(LogitLens(streams="all").places(tiny_model).values())
    tiny_model.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    scorer = QuestionScorer(tiny_tokenizer, asked, 9)
    stream_log_likelihoods(scorer, tiny_model, places)
    assert len(calls) == 3


def test_the_place_is_chosen_on_select_and_read_on_what_is_asked(tiny_model, tiny_tokenizer, asked):
    """Answers are what attention of layer 2 says, so there all are right; ties go to the last layer."""
    place = LogitLens(streams="all").places(tiny_model)["attention 2"]
    scorer = QuestionScorer(tiny_tokenizer, asked, 8)
    said = asked.assign(answer=stream_log_likelihoods(scorer, tiny_model, [place])[0].argmax(-1).numpy())
    select, test = (said[said["split"] == split] for split in ("select", "test"))
    (attacked,) = LogitLens(streams="all").run(given(tiny_model, tiny_tokenizer, select))
    assert attacked.setting.startswith("attention 2 (attention 2 1.000, layer 3 ") and attacked.budget == {}
    scorer = QuestionScorer(tiny_tokenizer, test, 8)
    assert scorer.answered(attacked.read(scorer, tiny_model))["correct"].all()
    own = known(tiny_model, tiny_tokenizer, select)
    (attacked,) = LogitLens().run(given(tiny_model, tiny_tokenizer, own))
    assert attacked.setting == "layer 3"
    assert torch.equal(attacked.read(scorer, tiny_model), scorer.log_likelihoods(tiny_model))


def test_a_read_out_that_is_best_by_luck_does_not_replace_the_models_own_answer(tiny_model, tiny_tokenizer):
    """The half that chooses is answered by attention of layer 2, the half that confirms by the model itself."""
    asked = questions(forget=40, retain=12).query("split == 'select'")
    attack = given(tiny_model, tiny_tokenizer, asked)
    first, second = halves(attack)
    scorer = QuestionScorer(tiny_tokenizer, asked, 8)
    places = [LogitLens("all").places(tiny_model)[name] for name in ("attention 2", "layer 3")]
    there, own = (scores.argmax(-1).numpy() for scores in stream_log_likelihoods(scorer, tiny_model, places))
    said = asked.assign(answer=there).where(asked["question"].isin(first["question"]), asked.assign(answer=own))
    (attacked,) = LogitLens("all").run(given(tiny_model, tiny_tokenizer, said.astype({"answer": int})))
    assert attacked.setting.startswith("layer 3 (attention 2 ") and attacked.setting.endswith("layer 3 1.000 held out)")
    assert torch.equal(attacked.read(scorer, tiny_model), scorer.log_likelihoods(tiny_model))
    assert len(first) == len(second) + 0 and not set(first["question"]) & set(second["question"])


@pytest.mark.parametrize("family", ["phi", "falcon", "gpt-neox parallel", "cohere"])
def test_a_stream_that_the_architecture_does_not_have_is_left_out_and_said(tiny_tokenizer, asked, family):
    model = family_model(family)
    assert {name.rpartition(" ")[0] for name in LogitLens("all").places(model)} == {"layer", "attention", "mlp"}
    (attacked,) = LogitLens("all").run(given(model, tiny_tokenizer, asked))
    assert attacked.setting.endswith("; not in this architecture: after attention")
    (attacked,) = LogitLens().run(given(model, tiny_tokenizer, asked))
    assert "architecture" not in attacked.setting
