import pytest
import torch
from planted import given, known, questions, state, unharmed

from unlearning_robustness.attacks.logit_lens import LogitLens
from unlearning_robustness.models.modules import layer_modules
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
        assert torch.allclose(found[layer], expected, atol=1e-4)
    assert not torch.allclose(found[0], found[3], atol=0.5) and unharmed(model, before)


def test_what_a_layer_adds_is_what_attention_and_mlp_put_out(tiny_model, tiny_tokenizer, asked):
    ids, outputs = torch.arange(12).view(2, 6), {}
    for stream, module in LogitLens(streams="all").places(tiny_model).items():
        module.register_forward_hook(
            lambda _, __, output, stream=stream: outputs.update(
                {stream: output[0] if type(output) is tuple else output}
            )
        )
    LayerSpan(tiny_model, 0, 4)(input_ids=ids)
    for layer in range(1, 4):
        added = outputs[f"attention {layer}"] + outputs[f"mlp {layer}"]
        assert torch.allclose(outputs[f"layer {layer - 1}"] + added, outputs[f"layer {layer}"], atol=1e-5)


def test_one_forward_a_batch_reads_every_place(tiny_model, tiny_tokenizer, asked):
    calls = []
    tiny_model.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    scorer = QuestionScorer(tiny_tokenizer, asked, 9)
    stream_log_likelihoods(scorer, tiny_model, list(LogitLens(streams="all").places(tiny_model).values()))
    assert len(calls) == 3


def test_the_place_is_chosen_on_select_and_read_on_what_is_asked(tiny_model, tiny_tokenizer, asked):
    """Answers are what attention of layer 2 says, so there all are right; ties go to the last layer."""
    place = LogitLens(streams="all").places(tiny_model)["attention 2"]
    scorer = QuestionScorer(tiny_tokenizer, asked, 8)
    said = asked.assign(answer=stream_log_likelihoods(scorer, tiny_model, [place])[0].argmax(-1).numpy())
    select, test = (said[said["split"] == split] for split in ("select", "test"))
    (attacked,) = LogitLens(streams="all").run(given(tiny_model, tiny_tokenizer, select))
    assert attacked.setting == "attention 2" and attacked.budget == {}
    scorer = QuestionScorer(tiny_tokenizer, test, 8)
    assert scorer.answered(attacked.read(scorer, tiny_model))["correct"].all()
    own = known(tiny_model, tiny_tokenizer, select)
    (attacked,) = LogitLens().run(given(tiny_model, tiny_tokenizer, own))
    assert attacked.setting == "layer 3"
    assert torch.equal(attacked.read(scorer, tiny_model), scorer.log_likelihoods(tiny_model))


def test_a_module_that_is_not_there_is_named(tiny_model, tiny_tokenizer, asked):
    del tiny_model.model.layers[1].mlp
    with pytest.raises(AttributeError, match=r"LlamaForCausalLM has no `model.layers.\*.mlp`"):
        next(LogitLens(streams="all").run(given(tiny_model, tiny_tokenizer, asked)))
