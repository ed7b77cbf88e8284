"""Questions that differ in their numbers of choices are scored together as they are alone."""

import numpy
import pandas
import pytest
import torch

from unlearning_robustness.attacks.input_search import contrast_of
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.scoring.decision import all_divisors, divisors, right_log_probabilities
from unlearning_robustness.scoring.knowledge import KnowledgeScorer, about_another_entity
from unlearning_robustness.scoring.multiple_choice import by_question
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import COLUMNS, with_probability
from unlearning_robustness.scoring.streams import stream_log_likelihoods

CHOICES = [["a", "b"], ["iron", "tin", "zinc", "lead"], ["x", "yy", "zzz"], ["one", "two"]]
TABLE = pandas.DataFrame(
    {
        "prompt": [f"The answer to question {n} is" for n in range(4)],
        "choices": CHOICES,
        "answer": [1, 3, 2, 0],
        "decided_by": ["sum", "token-mean", "byte-mean", "sum"],
        "entity": list("wxyz"), "relation": "r", "template": 0, "question": list("0123"),
    }
)  # fmt: skip


def scorer_of(tokenizer, table=TABLE, batch_size=3):
    return QuestionScorer(tokenizer, table, batch_size)


def test_scores_of_unequal_questions_stand_in_rows():
    scores = torch.arange(11.0).expand(2, 11)
    rows = by_question(scores, [2, 4, 3, 2])
    assert rows.shape == (2, 4, 4)
    assert [row[row.isfinite()].tolist() for row in rows[1]] == [[0, 1], [2, 3, 4, 5], [6, 7, 8], [9, 10]]
    assert (rows[0, 0, 2:] == -torch.inf).all()
    assert torch.equal(by_question(torch.arange(6.0), [3, 3]), torch.arange(6.0).view(2, 3))


def test_records_are_those_of_each_question_alone(tiny_tokenizer, tiny_model):
    together = scorer_of(tiny_tokenizer).records(tiny_model)
    for row in range(len(TABLE)):
        alone = scorer_of(tiny_tokenizer, TABLE.iloc[[row]]).records(tiny_model).iloc[0]
        for name in ("log_likelihoods", "token_means", "byte_means"):
            assert len(together[name][row]) == len(CHOICES[row])
            numpy.testing.assert_allclose(together[name][row], alone[name], atol=1e-5)
        assert together["entropy"][row] == pytest.approx(alone["entropy"], abs=1e-5)
        assert 0 < together["entropy"][row] <= numpy.log(len(CHOICES[row])) + 1e-6
        assert (together["prediction"][row], together["tied"][row]) == (alone["prediction"], alone["tied"])
        assert together["prediction"][row] < len(CHOICES[row])


def test_the_probability_of_the_right_choice_is_among_the_choices_there_are(tiny_tokenizer, tiny_model):
    records = scorer_of(tiny_tokenizer).records(tiny_model)
    missing = {name: 0 for name in COLUMNS if name not in records}
    probabilities = with_probability(records.assign(**missing))["probability"]
    for row in range(len(TABLE)):
        deciding = {"sum": "log_likelihoods", "token-mean": "token_means", "byte-mean": "byte_means"}
        scores = numpy.exp(numpy.array(records[deciding[TABLE["decided_by"][row]]][row], dtype=float))
        assert probabilities[row] == pytest.approx(scores[TABLE["answer"][row]] / scores.sum(), rel=1e-4)


def test_streams_and_knowledge_are_scored_too(tiny_tokenizer, tiny_model):
    scorer = scorer_of(tiny_tokenizer)
    last = layer_modules(tiny_model)[-1]
    expected = scorer.log_likelihoods(tiny_model)
    assert torch.allclose(stream_log_likelihoods(scorer, tiny_model, [last])[0], expected, atol=1e-4)
    margins = KnowledgeScorer.of(tiny_tokenizer, TABLE, 3).margins(tiny_model)
    assert margins.shape == (4,) and (numpy.abs(margins) < 1).all()


def test_another_entity_is_asked_about_by_a_question_with_as_many_choices():
    assert about_another_entity(TABLE)["prompt"][0] == TABLE["prompt"][3]


def test_vectors_are_trained_on_the_choices_there_are(tiny_tokenizer, tiny_model):
    packed = scorer_of(tiny_tokenizer).packed
    shares = torch.from_numpy(all_divisors(TABLE["decided_by"], CHOICES, [row.choices for row in packed]))
    right, embeddings = torch.tensor(TABLE["answer"].to_numpy()), tiny_model.get_input_embeddings().weight
    embeddings.requires_grad_()
    loss = contrast_of(tiny_model, packed, right, shares)
    deciding = scorer_of(tiny_tokenizer).deciding(scorer_of(tiny_tokenizer).log_likelihoods(tiny_model))
    assert loss.item() == pytest.approx(-right_log_probabilities(deciding, TABLE["answer"]).mean(), rel=1e-4)
    (gradient,) = torch.autograd.grad(loss, [embeddings])
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


def test_divisors_are_each_questions_own():
    rows = all_divisors(["byte-mean", "sum"], [["ab", "c"], ["x", "y", "z"]], [[(1,), (2,)], [(1,), (2,), (3,)]])
    assert rows.tolist() == [[*divisors("byte-mean", ["ab", "c"], []), 1], [1, 1, 1]]
