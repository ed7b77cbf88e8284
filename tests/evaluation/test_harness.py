"""Tasks that a study writes for lm-eval decide as the study does, where lm-eval can."""

import random

import pandas
import pytest
from odd_tokenizers import tokenizer_of

from unlearning_robustness.evaluation.harness import evaluated, write_tasks
from unlearning_robustness.scoring.questions import QuestionScorer


@pytest.fixture(scope="module")
def asked():
    """Questions with answers of unequal length, about nothing."""
    draw = random.Random(1)
    rows = [
        {
            "question": f"forget/{number}",
            "prompt": f"The {''.join(draw.choices('abcdef', k=5))} of all {number} is",
            "choices": ["".join(draw.choices("abcdefgh", k=length)) for length in draw.sample([3, 6, 9, 14], 4)],
            "answer": number % 4,
            "role": "forget",
            "probe": "plain",
        }
        for number in range(24)
    ]
    return pandas.DataFrame(rows)


@pytest.mark.parametrize(("rule", "metric"), [("sum", "acc"), ("byte-mean", "acc_bytes"), ("token-mean", None)])
def test_a_task_counts_by_the_rule_that_decides(make_model, tmp_path, asked, rule, metric):
    model, tokenizer = make_model(seed=2, vocab_size=270, initializer_range=0.3), tokenizer_of(before=["<s>"])
    (name,) = write_tasks(asked.assign(decided_by=rule), "odd", tmp_path)
    result = evaluated(model, tokenizer, [name], [tmp_path], 8)["results"][name]
    accuracy = {
        decides: QuestionScorer(tokenizer, asked.assign(decided_by=decides), 8).accuracy(model)
        for decides in ("sum", "byte-mean")
    }
    assert result["acc,none"] == pytest.approx(accuracy["sum"])
    assert set(result) & {"acc,none", "acc_bytes,none"} == {"acc,none", *([f"{metric},none"] if metric else [])}
    if rule == "byte-mean":
        assert result["acc_bytes,none"] == pytest.approx(accuracy["byte-mean"])
        assert accuracy["byte-mean"] != accuracy["sum"]


def test_a_task_asks_in_the_chat_template_and_of_unequal_choices_as_the_study_does(make_model, tmp_path, asked):
    model, tokenizer = make_model(seed=2, vocab_size=270, initializer_range=0.3), tokenizer_of(before=["<s>"])
    fewer = [choices[: 4 - (number % 4 == 0)] for number, choices in enumerate(asked["choices"])]
    chat = asked.assign(before="<u>", after="</u>\n<a>\n", choices=fewer)
    (name,) = write_tasks(chat, "odd", tmp_path)
    result = evaluated(model, tokenizer, [name], [tmp_path], 8)
    theirs = [[score for (score, _), *_ in row["resps"]] for row in result["samples"][name]]
    ours = QuestionScorer(tokenizer, chat, 8).answered(QuestionScorer(tokenizer, chat, 8).log_likelihoods(model))
    for row, scores in enumerate(theirs):
        assert scores == pytest.approx(list(ours["log_likelihoods"][row]), abs=1e-4)
    assert result["results"][name]["acc,none"] == pytest.approx(ours["correct"].mean())
