import copy

import numpy
import pandas
import pytest
import torch

from unlearning_robustness.attacks import run_attack
from unlearning_robustness.attacks.base import AttackedModel
from unlearning_robustness.attacks.run_attack import attack_cell
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


def test_the_manifest_says_how_the_questions_were_asked(attacked, tiny_model):
    assert attacked()[1]["scoring"] == {
        "special_tokens": {"bos": False, "eos": False}, "longest_input": 512, "questions_cut": 0
    }  # fmt: skip
    tiny_model.config.max_position_embeddings = 12
    parts, facts = attacked()
    assert facts["scoring"]["questions_cut"] == (parts[-1]["tokens_cut"] > 0).sum() == 2


def test_each_fact_of_the_test_split_is_asked_once(attacked):
    for part in attacked()[0]:
        assert part["fact"].tolist() == [f"forget/relation/{name}" for name in ("Gold", "Tin", "Krypton")]
        assert (part["split"] == "test").all()


def test_the_roles_are_those_of_the_attack(attacked):
    part = attacked(roles=["forget", "retain"])[0][0]
    assert part["role"].value_counts().to_dict() == {"forget": 3, "retain": 2}


def test_other_splits_are_asked_on_request(tiny_model, tiny_tokenizer, question_table):
    given = (tiny_model, tiny_tokenizer, CELL, "relearn", {**SETTINGS, "roles": ["forget", "retain"]})
    part = attack_cell(*given, question_table, CORPORA, 4, splits=("select", "test"))[0][0]
    once = question_table.drop_duplicates("fact")
    wanted = once[once["split"].isin(["select", "test"]) & once["role"].isin(["forget", "retain"])]
    assert part["question"].tolist() == wanted["question"].tolist() and set(part["split"]) == {"select", "test"}


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

    monkeypatch.setattr(run_attack, "ATTACKS", {"looking": Attack})
    split = question_table["split"].where(question_table["entity"] != "Gold", "relearn")
    settings, questions = {"kind": "looking", "roles": ["forget"], "parameters": {}}, question_table.assign(split=split)
    (part,), _ = attack_cell(tiny_model, tiny_tokenizer, CELL, "looking", settings, questions, CORPORA, 4)
    assert part["entity"].tolist() == ["Tin", "Krypton"]


def test_attacking_and_scoring_cost_apart(attacked):
    _, cost = attacked()
    assert all(cost[name] > 0 for name in ("attack_seconds", "scoring_seconds"))


def test_each_point_costs_what_it_takes_to_get_there(attacked, tiny_tokenizer):
    """Relearning on 1 document, then on 2: a run pays for its own steps, and for no scoring."""
    _, cost = attacked(parameters={**SETTINGS["parameters"], "steps": [0, 1, 3]})
    points = cost["points"]
    assert [(point["documents"], point["steps"]) for point in points] == [
        (count, steps) for count in (1, 2) for steps in (0, 1, 3)
    ]
    for name in ("forwards", "backwards"):
        assert [point[name] for point in points] == [0, 1, 3, 0, 1, 3]
    longest = max(len(tiny_tokenizer.encode(text)) for text in CORPORA["text"])
    for count in (1, 2):
        free, first, last = (point for point in points if point["documents"] == count)
        assert free["tokens"] == free["operations"] == 0 < first["operations"] < last["operations"]
        assert first["tokens"] <= longest and last["tokens"] <= 3 * longest
    assert points[1]["operations"] * points[2]["tokens"] == points[2]["operations"] * points[1]["tokens"]
    for name in ("forwards", "backwards", "tokens", "operations"):
        assert cost[name] == sum(point[name] for point in points if point["steps"] == 3)


def test_what_an_attack_tries_on_select_questions_is_charged_to_it(
    tiny_model, tiny_tokenizer, question_table, monkeypatch
):
    class Attack:
        def run(self, attack):
            scorer = QuestionScorer(attack.tokenizer, attack.select, 4)
            for count, going_on in ((2, False), (1, True), (1, False)):
                for _ in range(count):
                    scorer.accuracy(attack.model)
                yield AttackedModel(attack.model, {}, continues=going_on)
            scorer.accuracy(attack.model)

    monkeypatch.setattr(run_attack, "ATTACKS", {"trying": Attack})
    settings = {"kind": "trying", "roles": ["forget"], "parameters": {}}
    _, cost = attack_cell(tiny_model, tiny_tokenizer, CELL, "trying", settings, question_table, CORPORA, 48)
    assert [point["forwards"] for point in cost["points"]] == [2, 3, 1] and cost["forwards"] == 5


def test_answers_of_a_bfloat16_model_are_scored_in_float32_where_asked(make_model, tiny_tokenizer, question_table):
    settings = {"kind": "quantise", "roles": ["forget"], "parameters": {"bits": [0], "group_size": 4, "backend": "own"}}
    model = make_model(dtype=torch.bfloat16)
    given, split = (CELL, "quantise", settings, question_table, CORPORA, 4), (None, ("test",))
    scores = {
        precision: numpy.stack(attack_cell(model, tiny_tokenizer, *given, *split, precision)[0][0]["log_likelihoods"])
        for precision in ("auto", "float32")
    }
    exact = attack_cell(copy.deepcopy(model).float(), tiny_tokenizer, *given)[0][0]["log_likelihoods"]
    assert numpy.array_equal(scores["float32"], numpy.stack(exact)) and model.dtype == torch.bfloat16
    assert numpy.abs(scores["auto"] - scores["float32"]).max() > 1e-3
