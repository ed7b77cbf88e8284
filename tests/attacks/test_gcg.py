import pytest
import torch
from planted import losses_of

from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.gcg import Asking, GreedyCoordinateGradient, HeldOut, substitutions, top_candidates
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

PLACES = pytest.mark.parametrize("place", ["before", "after"])


def gcg(**changes):
    given = {
        "inserted_tokens": 4,
        "questions": 2,
        "steps": [0, 2, 6],
        "candidates": 12,
        "top_k": 6,
        "held_out": 0,
        **changes,
    }
    return GreedyCoordinateGradient(**given)


def last_loss(attack, **changes):
    return float(list(gcg(**changes).run(attack))[-1].setting.rsplit(" ", 1)[-1])


def test_candidates_are_the_lowest_gradients_and_substitutions_change_one_token():
    gradient, usable = torch.tensor([[3.0, -1.0, 0.0, -9.0], [0.0, 5.0, -2.0, -9.0]]), torch.tensor([0, 1, 2])
    top = top_candidates(gradient, usable, 2)
    assert top.tolist() == [[1, 2], [2, 0]]
    ids = torch.tensor([9, 8])
    tried = substitutions(ids, top, 50, torch.Generator().manual_seed(0))
    assert sorted(tried.tolist()) == [[1, 8], [2, 8], [9, 0], [9, 2]]


@pytest.mark.parametrize("match", ["contrast", "answer"])
def test_more_steps_lower_the_loss(attack, match):
    for seed in range(3):
        first, last = (
            float(one.setting.rsplit(" ", 1)[-1]) for one in gcg(steps=[1, 12], match=match).run(attack(seed=seed))
        )
        assert last < first


def test_the_gradient_beats_random_search_of_equal_budget(attack):
    """That of the contrast is put to this test on a planted trigger: test_planted_trigger.py."""
    wins = []
    for seed in range(4):
        searched, random = (
            # With every token a candidate the substitutions are drawn at random.
            last_loss(attack(seed=seed), steps=[12], match="answer", top_k=top_k)
            for top_k in (6, 10_000)
        )
        wins.append(searched - random)
    assert sum(wins) < 0 and sum(win < 0 for win in wins) >= 3


@PLACES
def test_zero_steps_ask_plainly_and_later_texts_keep_choices_and_lower_the_loss_of_what_is_asked(
    attack, tiny_model, tiny_tokenizer, select, place
):
    given = attack()
    points = list(gcg(questions=4, place=place, steps=[0, 1, 15]).run(given))
    assert [one.budget for one in points] == [{"steps": 0}, {"steps": 1}, {"steps": 15}]
    assert points[0].ask is as_it_is and points[0].setting == ""
    asked = [one.ask(select) for one in points[1:]]
    for table in asked:
        assert table.drop(columns="prompt").equals(select.drop(columns="prompt"))
        assert (table["prompt"] != select["prompt"]).all() and table["prompt"].str.isascii().all()
    losses = [losses_of(tiny_model, tiny_tokenizer, table).mean() for table in asked]
    assert losses[1] < losses[0]
    assert losses[1].item() == pytest.approx(float(points[2].setting.rsplit(" ", 1)[-1]), abs=2e-3)
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in tiny_model.parameters())


def test_a_seed_finds_the_same_text_again_and_another_seed_another(attack):
    found = [next(gcg(steps=[3]).run(attack(seed=seed))).setting for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("more", [{"questions": 9}, {"held_out": 3}])
def test_a_search_of_more_questions_than_there_are_stops(attack, more):
    with pytest.raises(DataError, match=r"which has 4: lower .*\.questions or .*\.held_out"):
        list(gcg(**more).run(attack()))


def test_the_text_is_chosen_on_questions_that_it_was_not_searched_on(attack, monkeypatch):
    """Accuracies are planted: the second text found is the best on the questions held out, and later ones are worse."""
    accuracies, asked = iter([0.3, 0.2, 0.6, *[0.5] * 99]), []

    def planted(scorer, model):
        asked.append(set(scorer.table["fact"]))
        return next(accuracies)

    monkeypatch.setattr(QuestionScorer, "accuracy", planted)
    search = gcg(held_out=2, steps=[1, 30])
    trained, others = search._questions(attack())
    first, last = search.run(attack())
    assert set(trained["fact"]).isdisjoint(others["fact"]) and asked == [set(others["fact"])] * len(asked)
    assert first.setting == "plain, 0.300 held out" and first.ask is as_it_is
    assert last.setting.endswith("0.600 held out") and last.continues
    # So the last text, of the lowest loss, is another one.
    assert list(gcg(steps=[30]).run(attack()))[-1].setting not in last.setting


def test_of_texts_that_do_equally_well_the_first_stays_and_one_that_cannot_be_asked_is_left_out(attack, select):
    held_out = HeldOut(attack(), select)
    held_out.better(Asking("the same", as_it_is))
    assert held_out.best.setting.startswith("plain, ")

    def merged(questions):
        raise ValueError("the tokenizer merges the prompt")

    held_out.better(Asking("merged", merged))
    assert held_out.best.ask is as_it_is


def test_against_retain_questions_the_lowest_accuracy_held_out_is_asked(attack, question_table):
    retain = question_table[question_table["role"] == "retain"].drop_duplicates("fact").assign(split="select")
    right = QuestionScorer(attack().tokenizer, retain, 4).log_likelihoods(attack().model).argmax(-1).tolist()
    held_out = HeldOut(attack(), retain.assign(answer=right), lowest=True)
    assert held_out.best.accuracy == 1
    held_out.better(Asking("the same", as_it_is))
    assert held_out.best.setting.startswith("plain, ")
    held_out.better(
        Asking("other answers", lambda questions: questions.assign(answer=[(one + 1) % 4 for one in right]))
    )
    assert held_out.best.setting.startswith("other answers") and held_out.best.accuracy == 0


def test_a_search_against_retain_questions_uses_those(attack, question_table):
    select = question_table.drop_duplicates("fact").assign(split="select")
    given = attack()
    searched, others = gcg(role="retain", held_out=1)._questions(
        AttackInput(given.model, given.tokenizer, None, 1, select, None, 16)
    )
    assert set(searched["role"]) == set(others["role"]) == {"retain"} and (len(searched), len(others)) == (2, 1)
