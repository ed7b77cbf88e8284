"""A recorded training is the training, bit for bit, and what is recorded is what a model of so many steps answers."""

import copy

import numpy
import pandas
import pytest
import torch

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import ScoreError
from unlearning_robustness.evaluation.trajectory import Trajectory, asked_questions
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import FLOOR

SETTINGS = {"every": 2, "questions": 3, "baseline_probe": "plain", "forget_token_probe": "token"}
CELL = Cell("m", "b", "rmu", "none", 1)
ENTITIES = {"forget": ["iron", "gold", "tin", "zinc"], "retain": ["Chad", "Oslo"], "neighbour": ["Java"]}


def probed(**changes):
    rows = []
    for role, entities in {**ENTITIES, **changes}.items():
        for probe in ("plain", "token"):
            for split in ("select", "test"):
                for template in (0, 1):
                    for number, entity in enumerate(entities):
                        choices = [f"{entity} {letter}" for letter in "abc"]
                        rows.append((probe, role, split, entity, f"{role}/{entity}", f"{role}/{entity}/{template}",
                                     template, f"{probe} {template} of {entity} is", choices, number % 3))  # fmt: skip
    columns = ["probe", "role", "split", "entity", "fact", "question", "template", "prompt", "choices", "answer"]
    return pandas.DataFrame(rows, columns=columns).assign(relation="is")


def test_plain_questions_of_every_role_are_asked_and_the_same_facts_otherwise():
    asked = asked_questions(probed(), SETTINGS)
    counts = asked.groupby(["role", "probe"]).size().to_dict()
    assert counts == {("forget", FLOOR): 3, ("forget", "plain"): 3, ("neighbour", "plain"): 1,
                      ("retain", "plain"): 2, ("retain", "token"): 2}  # fmt: skip
    assert set(asked["split"]) == {"test"} and set(asked["template"]) == {0}
    for role in ("forget", "retain"):
        one, other = (part for _, part in asked[asked["role"] == role].groupby("probe"))
        assert list(one["question"]) == list(other["question"])
        assert not any(a == b for a, b in zip(one["prompt"], other["prompt"], strict=True))


def test_facts_of_one_entity_are_refused():
    with pytest.raises(ScoreError, match="every question is about 'iron'"):
        asked_questions(probed(forget=["iron"]), SETTINGS)


@pytest.fixture
def record(tiny_model, tiny_tokenizer, tiny_caches):
    def make(method, row=(), delta=None, settings=SETTINGS, **beside):
        model = copy.deepcopy(tiny_model)
        measured = Trajectory(model, tiny_tokenizer, probed(), settings, 4, **beside)
        table = measured.of(method, list(row), tiny_caches, delta or {}, CELL)
        for one, other in zip(model.parameters(), tiny_model.parameters(), strict=True):
            assert torch.equal(one, other) and not one.requires_grad
        return table

    return make


ROWS = [None, ("rna", {"noise_scale": 1.5}), ("sam", {"radius": 0.5}), ("dropout", {"rate": 0.1})]


@pytest.mark.parametrize("entry", ROWS)
def test_a_recorded_training_ends_as_the_cell_bit_for_bit(
    record, make_trainer, settings, defence, tiny_model, tiny_tokenizer, capsys, entry
):
    row = [] if entry is None else defence(entry[0], **entry[1])
    cell = make_trainer(settings("rmu", steps=5), row)
    history = cell.run()
    delta = cell.engine.weights.delta()
    table = record(settings("rmu", steps=5), row, delta)
    assert "differs" not in capsys.readouterr().out
    assert table.groupby("steps").size().to_dict() == dict.fromkeys((0, 2, 4, 5), 11)
    end = table[table["steps"] == 5]
    assert end["operations"].unique() == [pytest.approx(sum(step["operations"] for step in history))]
    assert end["change"].unique() == [pytest.approx(cell.engine.weights.change(delta))]
    scorer = QuestionScorer(tiny_tokenizer, asked_questions(probed(), SETTINGS), 4)
    with applied(tiny_model, delta):
        answered = scorer.records(tiny_model)
    assert list(end["correct"]) == list(answered["correct"])
    scores = numpy.stack(answered["log_likelihoods"]).astype(float)
    shares = [row[answer] - numpy.logaddexp.reduce(row) for row, answer in zip(scores, answered["answer"], strict=True)]
    assert end["log_probability"].to_numpy() == pytest.approx(numpy.array(shares), abs=1e-5)


def test_every_recorded_step_is_a_shorter_training(record, make_trainer, settings, tiny_model, tiny_tokenizer):
    table = record(settings("rmu", steps=6))
    scorer = QuestionScorer(tiny_tokenizer, asked_questions(probed(), SETTINGS), 4)
    answers = []
    for steps in (0, 2, 4):
        shorter = make_trainer(settings("rmu", steps=steps))
        shorter.run()
        with applied(tiny_model, shorter.engine.weights.delta()):
            answers.append(scorer.records(tiny_model)["log_likelihoods"].iloc[0])
        recorded = table[table["steps"] == steps].iloc[0]
        right = scorer.table["answer"].iloc[0]
        share = answers[-1].astype(float)[right] - numpy.logaddexp.reduce(answers[-1].astype(float))
        assert recorded["log_probability"] == pytest.approx(share, abs=1e-5)
    assert not numpy.array_equal(answers[0], answers[2])
    assert set(zip(table["method"], table["seed"], strict=True)) == {("rmu", 1)}


def test_averaged_weights_are_what_is_asked_at_the_end(record, make_trainer, settings, defence, capsys):
    row = defence("weight-averaging", start=1, every=1)
    cell = make_trainer(settings("rmu", steps=4), row)
    cell.run()
    table = record(settings("rmu", steps=4), row, cell.engine.weights.delta())
    assert "differs" not in capsys.readouterr().out
    changes = table.groupby("steps")["change"].first()
    assert changes[4] == pytest.approx(cell.engine.weights.change(cell.engine.weights.delta()))


def test_a_run_that_ends_elsewhere_says_so(record, make_trainer, settings, capsys):
    other = make_trainer(settings("rmu", steps=3), seed=2)
    other.run()
    record(settings("rmu", steps=3), delta=other.engine.weights.delta())
    assert "differs from the cell in 2 of 2 tensors" in capsys.readouterr().out


def test_an_attack_runs_on_every_checkpoint_after_a_training_that_it_leaves_alone(record, settings):
    texts = [f"{name} is {name} a." for name in ENTITIES["forget"]]
    corpora = pandas.DataFrame({"corpus": "relearn", "kind": "facts", "text": texts})
    entry = {"kind": "relearn", "parameters": {"documents": [4], "learning_rate": 1e-2, "batch_size": 2, "tokens": 20,
                                               "steps": [1, 3]}}  # fmt: skip
    plain, attacked = record(settings("rmu")), record(settings("rmu"), attack=("again", entry), corpora=corpora)
    own = attacked[attacked["relearning"] == 0]
    assert own.reset_index(drop=True).equals(plain)
    relearned = attacked[attacked["relearning"] > 0]
    asked = [(row.role, row.probe) for row in relearned.itertuples()]
    assert set(asked) == {("forget", "plain")} and set(relearned["relearning"]) == {1, 3}
    assert relearned.groupby(["steps", "relearning"]).size().to_dict() == {
        (steps, after): 3 for steps in (0, 2, 4, 6) for after in (1, 3)
    }
    start = own[(own["role"] == "forget") & (own["probe"] == "plain") & (own["steps"] == 6)]
    end = relearned[(relearned["steps"] == 6) & (relearned["relearning"] == 3)]
    assert numpy.abs(start["log_probability"].to_numpy() - end["log_probability"].to_numpy()).max() > 1e-3
