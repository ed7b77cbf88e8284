"""Which choice wins under the sum, the mean a token and the mean a byte, and when it is a tie."""

import random

import numpy
import pandas
import pytest
import torch

from unlearning_robustness.scoring.decision import RULES, tied
from unlearning_robustness.scoring.questions import QuestionScorer

# One byte is one token, but for the "ü" of two bytes; every choice stands behind a space.
CHOICES = ["ab", "abcde", "üüü"]
SUMS = [[-3.0, -5.4, -6.3], [-3.0, -5.4, -5.0], [-2.0, -5.0, -9.0]]


@pytest.fixture
def characters():
    """One token a character."""

    class Characters:
        def encode(self, text):
            return [ord(letter) for letter in text]

    return Characters()


def scored(tokenizer, rules, sums=SUMS):
    table = pandas.DataFrame({"prompt": "Tin is", "choices": [CHOICES] * len(sums), "answer": 0, "decided_by": rules})
    scorer = QuestionScorer(tokenizer, table, 4)
    return scorer, scorer.answered(torch.tensor(sums))


def test_the_record_has_the_sum_and_both_means(characters):
    _, records = scored(characters, ["sum"] * 3)
    sums, tokens, size = numpy.array(SUMS), numpy.array([3, 6, 4]), numpy.array([2, 5, 6])
    for column, expected in {
        "log_likelihoods": sums, "token_means": sums / tokens, "byte_means": sums / size
    }.items():  # fmt: skip
        found = numpy.stack(records[column])
        assert found.dtype == numpy.float32
        numpy.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_rule_has_its_own_winner(characters):
    assert RULES == ("sum", "token-mean", "byte-mean")
    winners = [scored(characters, [rule] * 3)[1]["prediction"].tolist() for rule in RULES]
    assert winners == [[0, 0, 0], [1, 1, 0], [2, 2, 0]]


def test_each_question_is_decided_by_its_own_rule_in_records_and_in_accuracy(characters):
    scorer, records = scored(characters, ["sum", "token-mean", "byte-mean"])
    assert records["prediction"].tolist() == [0, 1, 0] and records["correct"].tolist() == [True, False, True]
    assert scorer.accuracy_of(torch.tensor(SUMS)) == pytest.approx(2 / 3)
    assert records["decided_by"].tolist() == ["sum", "token-mean", "byte-mean"]


def test_without_a_rule_the_sum_decides(characters):
    table = pandas.DataFrame({"prompt": "Tin is", "choices": [CHOICES] * 3, "answer": 0})
    records = QuestionScorer(characters, table, 4).answered(torch.tensor(SUMS))
    assert records["prediction"].tolist() == [0, 0, 0] and set(records["decided_by"]) == {"sum"}


def test_only_an_exact_tie_for_the_largest_counts():
    scores = numpy.array([[-1.0, -1.0, -2.0], [-1.0, -2.0, -2.0], [-1.0, -1.0 - 1e-12, -3.0], [-2.0, -2.0, -2.0]])
    assert tied(scores).tolist() == [True, False, False, True]


def test_ties_are_counted_in_the_scores_that_decide(characters):
    """Sums of -3 and -6 over three and six tokens tie in the mean a token alone."""
    sums = [[-3.0, -6.0, -9.0]] * 3
    _, records = scored(characters, list(RULES), sums)
    assert records["tied"].tolist() == [False, True, False]


def test_under_the_sum_the_shortest_answer_wins_and_under_means_it_does_not(tiny_model, tiny_tokenizer):
    """Answers of 4 to 40 letters under a random model, as TOFU's differ in length."""
    draw = random.Random(0)
    choices = [["".join(draw.choices("abcdefgh ", k=length)) for length in (4, 12, 24, 40)] for _ in range(30)]
    table = pandas.DataFrame({"prompt": "Question: who is it?\nAnswer:", "choices": choices, "answer": 0})
    sums = QuestionScorer(tiny_tokenizer, table, 16).log_likelihoods(tiny_model)
    shortest = {rule: QuestionScorer(tiny_tokenizer, table.assign(decided_by=rule), 16).accuracy_of(sums)
                for rule in RULES}  # fmt: skip
    assert shortest["sum"] == 1.0 and shortest["token-mean"] < 0.5 and shortest["byte-mean"] < 0.5, shortest
