import math

import numpy
import pandas
import pytest
import torch

from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring import questions
from unlearning_robustness.scoring.questions import QuestionScorer


def scorer_with(monkeypatch, tokenizer, table, planted):
    scorer = QuestionScorer(tokenizer, table, 4)
    monkeypatch.setattr(questions, "choice_log_likelihoods", lambda *_: torch.tensor(planted))
    return scorer


@pytest.fixture
def table():
    entry = {"prompt": "Tin is", "choices": ["a", "b"], "answer": 1, "note": "kept"}
    return pandas.DataFrame([entry, entry, entry, {**entry, "answer": 0}], index=[7, 3, 9, 1])


def test_planted_likelihoods_give_the_planted_accuracy(monkeypatch, tiny_model, tiny_tokenizer, table):
    planted = [[-1.0, -2.0], [-3.0, -1.0], [-9.0, -1.0], [-1.0, -5.0]]
    scorer = scorer_with(monkeypatch, tiny_tokenizer, table, planted)
    assert scorer.accuracy(tiny_model) == 0.75
    records = scorer.records(tiny_model)
    assert records["prediction"].tolist() == [0, 1, 1, 0]
    assert records["correct"].tolist() == [False, True, True, True]
    assert records["note"].tolist() == ["kept"] * 4
    assert numpy.array_equal(numpy.stack(records["log_likelihoods"]), numpy.float32(planted))


def test_entropy_is_that_of_the_choices_alone(monkeypatch, tiny_model, tiny_tokenizer, table):
    planted = [[-50.0, -50.0], [0.0, -100.0], [math.log(0.1), math.log(0.3)], [-5.0, -6.0]]
    records = scorer_with(monkeypatch, tiny_tokenizer, table, planted).records(tiny_model)
    share = 1 / (1 + math.exp(-1))
    expected = [math.log(2), 0.0]
    expected += [-(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.25, share)]
    assert records["entropy"].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_model_made_to_like_a_letter_answers_it(tiny_model, tiny_tokenizer, question_table):
    """The hidden state after the last norm is the same at every position, and points at the letter b."""
    tiny_model.lm_head.weight.zero_()
    tiny_model.model.norm.weight.zero_()
    letter = tiny_tokenizer.encode("b")[0]
    head = torch.nn.Linear(32, 260, bias=True)
    head.weight.data.zero_()
    head.bias.data.zero_()
    head.bias.data[letter] = 9.0
    tiny_model.lm_head = head
    table = question_table.assign(choices=[["aaa", "bbb", "ccc", "ddd"]] * len(question_table), answer=1)
    assert QuestionScorer(tiny_tokenizer, table, 4).accuracy(tiny_model) == 1.0
    assert QuestionScorer(tiny_tokenizer, table.assign(answer=2), 4).accuracy(tiny_model) == 0.0


def test_the_same_scorer_sees_that_the_model_changed(tiny_model, tiny_tokenizer, question_table):
    scorer = QuestionScorer(tiny_tokenizer, question_table, 4)
    before = scorer.log_likelihoods(tiny_model)
    tiny_model.get_parameter("model.layers.1.mlp.down_proj.weight").mul_(2)
    assert before.shape == (len(question_table), 4)
    assert (scorer.log_likelihoods(tiny_model) - before).abs().max() > 1e-2


def test_a_question_beyond_the_sliding_window_is_refused(tiny_model, tiny_tokenizer, table):
    tiny_model.config.sliding_window = 8
    assert QuestionScorer(tiny_tokenizer, table, 4).log_likelihoods(tiny_model).shape == (4, 2)
    tiny_model.config.sliding_window = 7
    with pytest.raises(DataError, match="8 tokens, the model's sliding window 7"):
        QuestionScorer(tiny_tokenizer, table, 4).log_likelihoods(tiny_model)
