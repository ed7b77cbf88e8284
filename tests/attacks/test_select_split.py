import dataclasses

import pandas
import pytest
import torch

from unlearning_robustness.attacks import run_attack
from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.select_split import SelectAccuracy, SelectProbability, best, better_part, some_of
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

START = {"forget": 0.3, "retain": 0.9}


def test_the_best_setting_recovers_most_within_the_margin():
    pairs = [("a", {"forget": 0.4, "retain": 0.90}), ("b", {"forget": 0.6, "retain": 0.85}),
             ("c", {"forget": 0.6, "retain": 0.88}), ("d", {"forget": 0.9, "retain": 0.5})]  # fmt: skip
    assert best(pairs, START, 0.05)[0] == "b" and best(pairs, START, 0.02)[0] == "c"
    assert best(pairs, START, 0.4)[0] == "d" and best(pairs, START, 0.0)[0] == "a"
    assert best(pairs[3:], START, 0.05)[0] == "d"


def test_the_better_part_are_useful_ones_by_what_they_recover_then_others_by_what_they_keep():
    pairs = [("a", {"forget": 0.9, "retain": 0.2}), ("b", {"forget": 0.5, "retain": 0.9}),
             ("c", {"forget": 0.8, "retain": 0.4}), ("d", {"forget": 0.6, "retain": 0.85})]  # fmt: skip
    assert [name for name, _ in better_part(pairs, START, 0.05, 3)] == ["d", "b", "c"]


def right_answers(scorer, model):
    return torch.nn.functional.one_hot(torch.tensor(scorer.table["answer"].to_numpy()), 4).float()


def test_select_accuracy_asks_and_reads_as_the_attack_does(tiny_model, tiny_tokenizer, question_table):
    select = question_table[question_table["split"] == "select"].drop_duplicates("fact")
    accuracy = SelectAccuracy(AttackInput(tiny_model, tiny_tokenizer, None, 0, select, None, 4))
    assert set(select["role"]) >= {"forget", "retain"}
    seen = []

    def upper(questions):
        seen.append(set(questions["role"]))
        return questions.assign(prompt=questions["prompt"].str.upper())

    plain = AttackedModel(tiny_model, {})
    assert accuracy(dataclasses.replace(plain, read=right_answers)) == {"forget": 1.0, "retain": 1.0}
    told = accuracy(dataclasses.replace(plain, ask=upper))
    assert seen == [{"forget", "retain"}]
    shouted = upper(select[select["role"] == "forget"])
    assert told["forget"] == QuestionScorer(tiny_tokenizer, shouted, 4).accuracy(tiny_model)


def test_probabilities_are_of_the_right_choice_among_the_choices(tiny_model, tiny_tokenizer, question_table):
    measured = SelectProbability(AttackInput(tiny_model, tiny_tokenizer, None, 0, question_table, None, 4))
    scores = measured(AttackedModel(tiny_model, {}))
    for role, part in question_table.groupby("role"):
        sums = QuestionScorer(tiny_tokenizer, part, 4).log_likelihoods(tiny_model).exp()
        right = sums[range(len(part)), part["answer"].tolist()] / sums.sum(-1)
        assert scores[role] == pytest.approx(right.mean().item(), rel=1e-4)


def test_some_of_the_questions_are_drawn_of_each_role_without_overlap(question_table):
    attack = AttackInput(None, None, None, 3, question_table)
    first, second = some_of(attack, 2), some_of(attack, 100, start=2)
    assert first["role"].value_counts().to_dict() == {"forget": 2, "retain": 2}
    assert sorted([*first["question"], *second["question"]]) == sorted(question_table["question"])
    others = [some_of(dataclasses.replace(attack, seed=seed), 2)["question"].tolist() for seed in range(4)]
    assert first["question"].tolist() == others[3] and len(set(map(tuple, others))) > 1


def test_without_select_questions_nothing_can_be_chosen(tiny_model, tiny_tokenizer):
    with pytest.raises(DataError, match="select"):
        SelectAccuracy(AttackInput(tiny_model, tiny_tokenizer, None, 0))


def test_records_are_of_what_was_asked_and_read_and_say_what_was_chosen(
    tiny_model, tiny_tokenizer, question_table, monkeypatch
):
    class Attack:
        def run(self, attack):
            assert set(attack.select["split"]) == {"select"} and attack.select["fact"].is_unique
            with attack.reference():
                pass
            yield AttackedModel(attack.model, {}, "loud", lambda asked: asked.assign(prompt=asked["prompt"] + "!"))
            yield AttackedModel(attack.model, {"steps": 1}, read=right_answers)

    entered = []

    class Reference:
        def __enter__(self):
            entered.append(1)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(run_attack, "ATTACKS", {"loud": Attack})
    settings = {"kind": "loud", "roles": ["forget"], "parameters": {}}
    cell = Cell("tiny", "elements", "rmu", "none", 0)
    parts, _ = run_attack.attack_cell(
        tiny_model, tiny_tokenizer, cell, "loud", settings, question_table, pandas.DataFrame(), 4, Reference
    )
    assert entered == [1]
    assert set(parts[0]["setting"]) == {"loud"} and parts[0]["prompt"].str.endswith("!").all()
    assert (
        set(parts[1]["setting"]) == {""}
        and parts[1]["correct"].all()
        and not parts[1]["prompt"].str.endswith("!").any()
    )
