"""No model of NaNs is scored: every way of scoring stops and names the question."""

import pandas
import pytest
import torch

from unlearning_robustness.errors import ScoreError, StudyError
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.perplexity import prose_perplexity
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.streams import stream_log_likelihoods


@pytest.fixture
def broken(tiny_model, tiny_tokenizer):
    """A model whose embedding of the letter z is no number."""
    tiny_model.get_input_embeddings().weight[tiny_tokenizer.encode("z")[0]] = torch.nan
    return tiny_model


@pytest.fixture
def scorer(tiny_tokenizer):
    prompts = ["Tin is", "The capital of Chad is", "Brazil zinc is", "Oslo is"]
    rows = [
        {"question": f"fact/{number}", "prompt": prompt, "choices": ["a", "bb"], "answer": 0}
        for number, prompt in enumerate(prompts)
    ]
    return QuestionScorer(tiny_tokenizer, pandas.DataFrame(rows), 2)


def test_every_way_of_scoring_names_the_question(broken, scorer):
    for score in (
        scorer.log_likelihoods,
        scorer.accuracy,
        scorer.records,
        lambda model: stream_log_likelihoods(scorer, model, layer_modules(model)),
    ):
        with pytest.raises(ScoreError, match=r"^question fact/2: its log-likelihood is nan: [^\n]*$"):
            score(broken)
    scorer.keep_prefix(broken, 2)
    with pytest.raises(ScoreError, match="question fact/2"):
        scorer.log_likelihoods(broken)


def test_a_model_of_nans_stops_before_a_question_is_answered(tiny_model, scorer):
    for tensor in tiny_model.parameters():
        tensor.fill_(torch.nan)
    with pytest.raises(StudyError, match="log-likelihood is nan"):
        scorer.accuracy(tiny_model)


def test_a_perplexity_that_is_no_number_names_the_text(broken, tiny_tokenizer):
    with pytest.raises(ScoreError, match=r"^text 'Zinc and zinc': its log-likelihood is nan"):
        prose_perplexity(broken, tiny_tokenizer, ["Tin is", "Zinc and zinc", "Oslo"], 20)


def test_finite_values_pass_and_the_first_other_one_is_named():
    need_finite(torch.tensor([1.0, -3e38]), ["a", "b"])
    with pytest.raises(ScoreError, match=r"^b: its loss is -inf"):
        need_finite(torch.tensor([[1.0, 2.0], [0.0, -torch.inf]]), ["a", "b"], "loss")
