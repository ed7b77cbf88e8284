import math

import numpy
import pandas
import pytest
import torch
from odd_tokenizers import tokenizer_of

from unlearning_robustness.errors import DataError
from unlearning_robustness.models import shared_prefix as beginnings
from unlearning_robustness.scoring import multiple_choice, questions
from unlearning_robustness.scoring.batching import split
from unlearning_robustness.scoring.questions import QuestionScorer


def scorer_with(monkeypatch, tokenizer, table, planted):
    scorer = QuestionScorer(tokenizer, table, 4)
    monkeypatch.setattr(questions, "choice_log_likelihoods", lambda *_: torch.tensor(planted).flatten())
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


def shown(count, first="Shown"):
    """Questions behind answered ones, of two subjects with shots of their own."""
    rows = []
    for number in range(count):
        subject = ("rivers", "stones")[number % 2]
        shots = f"{first} {subject}: one is long. Another is not, and so on. "
        prompt = f"{shots}What of {number * number}" + "?" * (number % 3)
        rows.append({"prompt": prompt, "choices": [f"a{number}", "bb", "c c", "d"], "answer": number % 4})
    return pandas.DataFrame(rows)


def run(scorer, model):
    """Log-likelihoods, and the positions that went through the embedding."""
    seen = []
    handle = model.get_input_embeddings().register_forward_hook(lambda _, given, __: seen.append(given[0].numel()))
    scores = scorer.log_likelihoods(model)
    handle.remove()
    return scores, sum(seen)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("batch_size", [4, 48])
def test_what_prompts_begin_with_is_run_once_with_the_same_scores(
    monkeypatch, make_model, tiny_tokenizer, kind, batch_size
):
    model, table = make_model(kind), shown(14)
    scorer = QuestionScorer(tiny_tokenizer, table, batch_size)
    shared, fewer = run(scorer, model)
    monkeypatch.setattr(beginnings, "WORTH", 2.0)
    apart, all_of_them = run(scorer, model)
    torch.testing.assert_close(shared, apart, atol=2e-5, rtol=2e-6)
    # A batch ends where the subject does, however many questions it may have.
    assert fewer < 0.8 * all_of_them
    assert (apart[0] - apart[2]).abs().min() > 1e-3


def test_what_is_counted_beforehand_is_what_runs(tiny_model, tiny_tokenizer):
    scorer = QuestionScorer(tiny_tokenizer, shown(16), 4)
    packed = scorer.packed
    counted = [sum(batch.positions for batch in split(packed, 4, share)) for share in (False, True)]
    assert run(scorer, tiny_model)[1] == counted[1] < counted[0]


def test_a_kept_prefix_and_prompts_without_a_long_beginning_are_run_as_they_are(tiny_model, tiny_tokenizer):
    table = shown(8)
    scorer = QuestionScorer(tiny_tokenizer, table, 4)
    expected = scorer.log_likelihoods(tiny_model)
    scorer.keep_prefix(tiny_model, 2)
    torch.testing.assert_close(scorer.log_likelihoods(tiny_model), expected, atol=2e-5, rtol=2e-6)
    short = table.assign(prompt=[f"A{number} is one of all these" for number in range(len(table))])
    assert all(not len(batch.head) for _, batch in multiple_choice.batches(
        QuestionScorer(tiny_tokenizer, short, 4).packed, 4, "cpu", share=True))  # fmt: skip


def test_a_prompt_that_is_all_beginning_keeps_its_last_token(tiny_model, tiny_tokenizer):
    table = pandas.DataFrame([{"prompt": "The same long prompt of all", "choices": [letter, "bb"], "answer": 0}
                              for letter in "abcd"])  # fmt: skip
    scorer = QuestionScorer(tiny_tokenizer, table, 4)
    (batch,) = split(scorer.packed, 4, share=True)
    assert batch.head == len(scorer.packed[0].prompt) - 1
    alone = torch.cat([QuestionScorer(tiny_tokenizer, table.iloc[[row]], 1).log_likelihoods(tiny_model)
                       for row in range(4)])  # fmt: skip
    torch.testing.assert_close(scorer.log_likelihoods(tiny_model), alone, atol=2e-5, rtol=2e-6)


def test_a_token_without_an_embedding_is_refused_with_its_question(tiny_model):
    """Special tokens may have none, as Gemma 3's for images; some devices would read zeros there."""
    tokenizer = tokenizer_of()
    tokenizer.add_tokens([f"<image{number}>" for number in range(9)], special_tokens=True)
    table = pandas.DataFrame(
        {"question": ["tin/0", "gold/0"], "prompt": ["Tin", "A <image8> of"], "choices": [["a", "b"]] * 2, "answer": 0}
    )
    scorer = QuestionScorer(tokenizer, table, 2)
    with pytest.raises(DataError, match="question gold/0: the tokenizer gives it token 266, the model has 260"):
        scorer.log_likelihoods(tiny_model)
