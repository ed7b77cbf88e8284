import pytest
import torch
from families import FAMILIES, family_model

from unlearning_robustness.models.architecture import stack_of
from unlearning_robustness.models.float32_head import with_float32_head
from unlearning_robustness.models.slicing import LayerSpan, logits_of

IDS = torch.arange(24).view(2, 12)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_bfloat16_models_logits_are_the_exact_products_of_its_rounded_numbers(make_model, kind, tied):
    model = make_model(kind, dtype=torch.bfloat16, tie_word_embeddings=tied)
    hidden = LayerSpan(model, 0, 4)(input_ids=IDS)
    expected = model.model.norm(hidden).double() @ model.get_output_embeddings().weight.double().T
    exact = logits_of(with_float32_head(model), hidden)
    assert exact.dtype == torch.float32
    torch.testing.assert_close(exact.double(), expected, atol=1e-5, rtol=1e-6)
    assert (logits_of(model, hidden) - expected).abs().max() > 2e-3


def test_the_model_keeps_its_own_head_and_its_bias_counts(make_model):
    model = make_model(dtype=torch.bfloat16)
    model.lm_head = torch.nn.Linear(32, 260, bias=True, dtype=torch.bfloat16)
    before, view, hidden = model.lm_head, with_float32_head(model), torch.zeros(1, 32, dtype=torch.bfloat16)
    assert model.lm_head is before and view.lm_head is not before and view.model is model.model
    torch.testing.assert_close(logits_of(view, hidden)[0], before.bias.float())


def test_a_float32_model_is_its_own_view(tiny_model):
    assert with_float32_head(tiny_model) is tiny_model


def test_tokens_that_tie_in_bfloat16_do_not_tie_in_float32(make_model):
    model = make_model(dtype=torch.bfloat16)
    hidden = LayerSpan(model, 0, 4)(input_ids=IDS).flatten(0, 1)
    equal = [
        sum(260 - len(row.unique()) for row in logits_of(scored, hidden))
        for scored in (model, with_float32_head(model))
    ]
    assert equal[0] > 200 and equal[1] <= 1, equal


@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_scales_and_caps_follow_the_float32_product(family):
    """Logits differ from the model's own by bfloat16's rounding alone; the final norm puts out the same numbers."""
    model = family_model(family, dtype=torch.bfloat16)
    hidden = LayerSpan(model, 0, model.config.num_hidden_layers)(input_ids=IDS)
    normed, stack = [], stack_of(model)
    handle = stack.decoder.get_submodule(stack.after[-1]).register_forward_hook(lambda *given: normed.append(given[-1]))
    fine, coarse = logits_of(with_float32_head(model), hidden), logits_of(model, hidden)
    handle.remove()
    assert torch.equal(*normed)
    assert fine.dtype == torch.float32 and not torch.equal(fine, coarse)
    torch.testing.assert_close(coarse, fine, atol=2e-3 * float(fine.abs().max()), rtol=2**-6)
