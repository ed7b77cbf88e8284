import copy
from contextlib import contextmanager

import pytest
import torch

from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.gcg import Asking, GreedyCoordinateGradient, HeldOut, substitutions, top_candidates
from unlearning_robustness.attacks.insertion import Insertion, insert
from unlearning_robustness.attacks.insertion_loss import (
    InsertionLoss,
    contrast,
    mislead,
    representation_distance,
    tokens_nll,
)
from unlearning_robustness.errors import DataError, ScoreError
from unlearning_robustness.scoring.questions import QuestionScorer

PLACES = pytest.mark.parametrize("place", ["before", "after"])


@pytest.fixture
def select(question_table):
    return question_table[question_table["role"] == "forget"].drop_duplicates("fact").assign(split="select")


@pytest.fixture
def attack(tiny_model, tiny_tokenizer, select):
    def make(model=tiny_model, seed=1, reference=None):
        return AttackInput(model, tiny_tokenizer, None, seed, select, reference, 16)

    return make


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


def losses_of(model, tokenizer, questions, match="contrast"):
    """The losses of questions as the scorer sees them."""
    scores = QuestionScorer(tokenizer, questions, 4).log_likelihoods(model)
    scores = scores.double() if match == "answer" else scores.double().log_softmax(-1)
    right = scores[torch.arange(len(scores)), torch.tensor(questions["answer"].to_numpy())]
    return -torch.log1p(-right.exp()) if match == "mislead" else -right


def last_loss(attack, **changes):
    return float(list(gcg(**changes).run(attack))[-1].setting.rsplit(" ", 1)[-1])


@PLACES
@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("match", ["contrast", "mislead", "answer"])
def test_the_loss_is_that_of_the_question_as_it_is_asked(
    attack, make_model, tiny_tokenizer, select, place, kind, match
):
    model = make_model(kind)
    insertion = Insertion(tiny_tokenizer, select, place)
    texts = ["abcd", "x, Q"]
    losses = InsertionLoss(attack(model), insertion.slots, match, None, 0.0)(
        torch.tensor([tiny_tokenizer.encode(text) for text in texts])
    )
    for text, loss in zip(texts, losses, strict=True):
        asked = select.assign(prompt=[insert(text, prompt, place) for prompt in select["prompt"]])
        assert loss.item() == pytest.approx(losses_of(model, tiny_tokenizer, asked, match).mean().item(), rel=1e-4)


@PLACES
def test_the_representation_is_compared_with_the_reference_where_both_have_the_text(
    attack, make_model, tiny_model, tiny_tokenizer, select, place
):
    other = make_model(seed=9)

    @contextmanager
    def reference():
        kept = copy.deepcopy(tiny_model.state_dict())
        tiny_model.load_state_dict(other.state_dict())
        yield
        tiny_model.load_state_dict(kept)

    insertion, row = Insertion(tiny_tokenizer, select.iloc[:1], place), select.iloc[0]
    # The last token of an answer predicts nothing, and is not read.
    answer = f" {row['choices'][row['answer']]}"[:-1]
    with_text = torch.tensor([tiny_tokenizer.encode(insert("ab!d", row["prompt"], place) + answer)])
    plain = torch.tensor([tiny_tokenizer.encode(row["prompt"] + answer)])
    layer = 2
    hidden = tiny_model(with_text, output_hidden_states=True)
    wanted = other(plain, output_hidden_states=True).hidden_states[layer + 1][0]
    # All of the plain text but its first token; or the answer and the position that predicts it.
    count = plain.shape[1] - 1 if place == "before" else len(answer) + 1
    distance = representation_distance(hidden.hidden_states[layer + 1][:, -count:], wanted[-count:])
    ids = torch.tensor([tiny_tokenizer.encode("ab!d")])
    loss = InsertionLoss(attack(reference=reference), insertion.slots, "representation", layer, 0.0)(ids)
    assert torch.isclose(loss, distance, rtol=1e-4) and loss > 0.01
    start = 0 if place == "before" else len(row["prompt"])
    fluency = tokens_nll(hidden.logits[:, start : start + 3], ids[:, 1:]).mean()
    fluent = InsertionLoss(attack(reference=reference), insertion.slots, "representation", layer, 0.5)(ids)
    assert torch.isclose(fluent, distance + 0.5 * fluency, rtol=1e-4)


def test_representation_distance_and_nll_by_hand():
    hidden, reference = torch.tensor([[[1.0, 1.0], [0.0, 2.0]]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert representation_distance(hidden, reference).tolist() == [(1 / 1 + 4 / 16) / 2]
    logits = torch.tensor([[[0.0, 1.0, 2.0]]])
    assert torch.isclose(tokens_nll(logits, torch.tensor([[1]])), -logits.log_softmax(-1)[0, 0, 1])


@PLACES
def test_where_one_token_changes_little_the_gradient_orders_tokens_as_trying_each_does(
    attack, make_model, tiny_tokenizer, select, place
):
    model = make_model(seed=3)
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding.copy_(embedding[7] + 0.01 * embedding)
    insertion = Insertion(tiny_tokenizer, select.iloc[:2], place)
    loss_of, usable = InsertionLoss(attack(model), insertion.slots, "contrast", None, 0.0), insertion.usable(260)
    gradient = loss_of.gradient(torch.tensor([20]))
    tried = loss_of(usable[:, None])
    by_trying = usable[tried.argsort()]
    assert top_candidates(gradient, usable, 5)[0].tolist() == by_trying[:5].tolist()
    assert torch.corrcoef(torch.stack([gradient[0, usable], tried]))[0, 1] > 0.999


@PLACES
def test_the_gradient_is_that_of_the_one_hot_vectors(attack, tiny_model, tiny_tokenizer, select, place):
    row, ids = select.iloc[1], torch.tensor(tiny_tokenizer.encode("ab!d"))
    choice = torch.tensor(tiny_tokenizer.encode(f" {row['choices'][row['answer']]}"))
    sides = (row["prompt"], "") if place == "after" else ("", f"\n{row['prompt']}")
    before, behind = (torch.tensor(tiny_tokenizer.encode(text), dtype=torch.long) for text in sides)
    weight = tiny_model.get_input_embeddings().weight
    hot = torch.nn.functional.one_hot(ids, 260).float().requires_grad_()
    embeds = torch.cat([weight[before], hot @ weight, weight[behind], weight[choice]])
    log_probabilities = tiny_model(inputs_embeds=embeds[None]).logits[0].log_softmax(-1)
    start, end = len(before), len(embeds) - len(choice)
    fluency = -(hot[1:] * log_probabilities[start : start + 3]).sum(-1).mean()
    answer = -log_probabilities[range(end - 1, len(embeds) - 1), choice].sum()
    (expected,) = torch.autograd.grad(answer + 0.7 * fluency, hot)
    slots = Insertion(tiny_tokenizer, select.iloc[1:2], place).slots
    gradient = InsertionLoss(attack(), slots, "answer", None, 0.7).gradient(ids)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5)


@PLACES
@pytest.mark.parametrize("match", ["contrast", "mislead", "answer"])
def test_the_gradient_is_the_slope_of_the_loss_in_float64(attack, make_model, tiny_tokenizer, select, place, match):
    """Central differences along embeddings of other tokens; what the model itself rounds to float32 limits them."""
    model, ids = make_model(dtype=torch.float64), torch.tensor(tiny_tokenizer.encode("ab!"))
    slots, size = Insertion(tiny_tokenizer, select.iloc[:2], place).slots, 3e-3
    loss_of = InsertionLoss(attack(model), slots, match, None, 0.0)
    gradient, weight = loss_of.gradient(ids), model.get_input_embeddings().weight
    for position, token in ((0, 7), (1, 80), (2, 33)):
        ends = []
        for sign in (1, -1):
            embeds = weight[ids].clone()
            embeds[position] += sign * size * weight[token]
            ends.append(sum(loss_of.of_slot(embeds[None], ids[None], number).double().item() for number in (0, 1)) / 2)
        slope = (ends[0] - ends[1]) / (2 * size)
        assert gradient[position, token].item() == pytest.approx(slope, rel=2e-2, abs=2e-3)
    assert gradient.abs().max() > 0.1


def test_contrast_is_the_cross_entropy_over_choices_and_its_gradient_is_right():
    scores = torch.tensor([[-3.0, -1.0, -2.0], [-1.0, -9.0, -1.0]], dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(scores, torch.tensor([2, 2]), reduction="none")
    assert torch.allclose(contrast(scores, 2), expected)
    # What helps every choice alike helps none.
    assert torch.allclose(contrast(scores + 5.0, 2), expected)
    assert torch.autograd.gradcheck(lambda given: contrast(given, 1), (scores,))


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


def test_what_is_to_be_missed_is_the_log_probability_of_the_wrong_choices():
    scores = torch.tensor([[0.0, -1.0, -2.0], [-3.0, 0.5, -4.0]])
    wanted = -torch.log(1 - scores.softmax(-1)[:, 1])
    assert torch.allclose(mislead(scores, 1), wanted)
    assert mislead(scores, 1)[0] < mislead(scores, 1)[1]


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


@pytest.mark.parametrize("rule", ["token-mean", "byte-mean"])
def test_choices_are_compared_by_the_score_that_decides(attack, tiny_model, tiny_tokenizer, select, rule):
    asked = select.assign(decided_by=rule, choices=[["a", "bbbb", "cc", "dd"]] * len(select))
    loss_of = InsertionLoss(attack(), Insertion(tiny_tokenizer, asked, "before").slots, "contrast", None, 0.0)
    loss = loss_of(torch.tensor([tiny_tokenizer.encode("abcd")])).item()
    scorer = QuestionScorer(tiny_tokenizer, asked.assign(prompt=[f"abcd\n{prompt}" for prompt in asked["prompt"]]), 4)
    compared = torch.tensor(scorer.deciding(scorer.log_likelihoods(tiny_model))).log_softmax(-1)
    right = compared[torch.arange(len(asked)), torch.tensor(asked["answer"].to_numpy())]
    assert loss == pytest.approx(-right.mean().item(), rel=1e-4)


def test_a_loss_that_is_no_number_names_the_question(attack, tiny_model, tiny_tokenizer, select):
    loss_of = InsertionLoss(attack(), Insertion(tiny_tokenizer, select, "before").slots, "contrast", None, 0.0)
    tiny_model.lm_head.weight[7] = torch.nan
    with pytest.raises(ScoreError, match=f"^question {select['question'].iloc[0]}: its loss is nan"):
        loss_of(torch.tensor([[1, 2, 3]]))


def test_a_question_that_outgrows_the_model_with_the_tokens_is_refused(attack, tiny_model, tiny_tokenizer, select):
    loss_of = InsertionLoss(attack(), Insertion(tiny_tokenizer, select, "before").slots, "contrast", None, 0.0)
    with pytest.raises(DataError, match=r"with 510 inserted tokens it has \d+, the model 512 positions: lower"):
        loss_of(torch.zeros(1, 510, dtype=torch.long))
