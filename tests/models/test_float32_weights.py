import copy

import pytest
import torch
from planted import questions, state, unharmed

from unlearning_robustness.models.float32_weights import AUTO, FLOAT32, scored_in
from unlearning_robustness.scoring.questions import QuestionScorer


@pytest.mark.parametrize("tied", [False, True])
def test_scores_are_those_of_a_float32_model_with_the_same_numbers(make_model, tiny_tokenizer, tied):
    model = make_model("Llama", dtype=torch.bfloat16, tie_word_embeddings=tied)
    same = copy.deepcopy(model).float()
    scorer, before = QuestionScorer(tiny_tokenizer, questions(20, 4), 8), state(model)
    with scored_in(model, FLOAT32):
        exact = scorer.log_likelihoods(model)
        assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
        assert (model.lm_head.weight is model.get_input_embeddings().weight) is tied
    assert torch.equal(exact, scorer.log_likelihoods(same))
    assert unharmed(model, before) and {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}
    with scored_in(model, AUTO):
        rounded = scorer.log_likelihoods(model)
    assert torch.equal(rounded, scorer.log_likelihoods(model)) and (rounded - exact).abs().max() > 1e-3


def test_a_model_is_given_back_when_scoring_fails(make_model):
    model = make_model(dtype=torch.bfloat16)
    before = state(model)
    with pytest.raises(RuntimeError, match="stopped"), scored_in(model, FLOAT32):
        raise RuntimeError("stopped")
    assert unharmed(model, before) and model.dtype == torch.bfloat16


def test_a_prefix_kept_in_float32_gives_the_same_scores(make_model, tiny_tokenizer):
    model, scorer = make_model(dtype=torch.bfloat16), QuestionScorer(tiny_tokenizer, questions(20, 4), 8)
    with scored_in(model, FLOAT32):
        whole = scorer.log_likelihoods(model)
        scorer.keep_prefix(model, 2)
        assert {part.dtype for part in scorer.prefix} == {torch.float32}
        torch.testing.assert_close(scorer.log_likelihoods(model), whole, atol=1e-5, rtol=1e-5)
