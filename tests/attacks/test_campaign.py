import numpy
import pandas
import pytest
import torch

from unlearning_robustness.attacks import campaign
from unlearning_robustness.attacks.base import AttackedModel
from unlearning_robustness.attacks.campaign import attack_cell
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import COLUMNS

CELL = Cell("tiny", "elements", "rmu", "rna", 3)
CORPORA = pandas.DataFrame(
    {"corpus": "relearn", "kind": "facts", "text": ["Zinc is Zn.", "Lead is Pb, heavy.", "Tin is Sn."]}
)
SETTINGS = {
    "kind": "relearn", "roles": ["forget"],
    "parameters": {"documents": [1, 2], "steps": [0, 3], "learning_rate": 1e-2, "batch_size": 1, "tokens": 16},
}  # fmt: skip


@pytest.fixture
def attacked(tiny_model, tiny_tokenizer, question_table):
    def run(**changes):
        settings = {**SETTINGS, **changes}
        return attack_cell(tiny_model, tiny_tokenizer, CELL, "relearn", settings, question_table, CORPORA, 4)

    return run


def test_records_say_of_which_cell_and_budget_they_are(attacked):
    parts, _ = attacked()
    table = pandas.concat(parts)
    assert all(list(part.columns) == list(COLUMNS) for part in parts)
    assert [tuple(part[["documents", "steps"]].iloc[0]) for part in parts] == [(1, 0), (1, 3), (2, 0), (2, 3)]
    assert all(part[["documents", "steps"]].nunique().tolist() == [1, 1] for part in parts)
    for column, value in {**vars(CELL), "attack": "relearn", "probe": "plain"}.items():
        assert (table[column] == value).all()


def test_each_fact_of_the_test_split_is_asked_once(attacked):
    for part in attacked()[0]:
        assert part["fact"].tolist() == [f"forget/relation/{name}" for name in ("Gold", "Tin", "Krypton")]
        assert (part["split"] == "test").all()


def test_the_roles_are_those_of_the_attack(attacked):
    part = attacked(roles=["forget", "retain"])[0][0]
    assert part["role"].value_counts().to_dict() == {"forget": 3, "retain": 2}


def test_likelihoods_are_those_of_the_attacked_model_at_its_budget(
    attacked, tiny_model, tiny_tokenizer, question_table
):
    parts, _ = attacked()
    asked = question_table[question_table["question"].isin(parts[0]["question"])]
    before = QuestionScorer(tiny_tokenizer, asked, 4).log_likelihoods(tiny_model)
    scores = [torch.tensor(numpy.stack(part["log_likelihoods"])) for part in parts]
    assert torch.equal(scores[0], before) and torch.equal(scores[2], before)
    assert all((score - before).abs().max() > 1e-2 for score in (scores[1], scores[3]))
    assert not torch.equal(scores[1], scores[3])


def test_an_attack_is_shown_answers_of_the_relearn_split_only(tiny_model, tiny_tokenizer, question_table, monkeypatch):
    class Attack:
        def run(self, attack):
            assert attack.answered["fact"].tolist() == ["forget/relation/Gold"]
            assert set(attack.select["split"]) == {"select"}
            yield AttackedModel(attack.model, {})

    monkeypatch.setattr(campaign, "ATTACKS", {"looking": Attack})
    split = question_table["split"].where(question_table["entity"] != "Gold", "relearn")
    settings, questions = {"kind": "looking", "roles": ["forget"], "parameters": {}}, question_table.assign(split=split)
    (part,), _ = attack_cell(tiny_model, tiny_tokenizer, CELL, "looking", settings, questions, CORPORA, 4)
    assert part["entity"].tolist() == ["Tin", "Krypton"]


def test_the_cost_is_told_apart(attacked):
    _, cost = attacked()
    assert set(cost) == {"attack_seconds", "scoring_seconds"} and all(value > 0 for value in cost.values())
