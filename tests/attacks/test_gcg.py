import copy
from contextlib import contextmanager

import pytest
import torch

from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.gcg import (
    GreedyCoordinateGradient,
    InsertionLoss,
    representation_distance,
    substitutions,
    tokens_nll,
    top_candidates,
)
from unlearning_robustness.attacks.insertion import Insertion, insert
from unlearning_robustness.errors import DataError
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
    given = {"tokens": 4, "questions": 2, "steps": [0, 2, 6], "candidates": 12, "top_k": 6, **changes}
    return GreedyCoordinateGradient(**given)


def answer_losses(model, tokenizer, questions):
    scores = QuestionScorer(tokenizer, questions, 4).log_likelihoods(model)
    return -scores[torch.arange(len(scores)), torch.tensor(questions["answer"].to_numpy())]


def last_loss(attack, **changes):
    return float(list(gcg(**changes).run(attack))[-1].setting.rsplit(" ", 1)[-1])


@PLACES
@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
def test_the_loss_is_that_of_the_question_as_it_is_asked(attack, make_model, tiny_tokenizer, select, place, kind):
    model = make_model(kind)
    insertion = Insertion(tiny_tokenizer, select, place)
    texts = ["abcd", "x, Q"]
    losses = InsertionLoss(attack(model), insertion.slots, None, 0.0)(
        torch.tensor([tiny_tokenizer.encode(text) for text in texts])
    )
    for text, loss in zip(texts, losses, strict=True):
        asked = select.assign(prompt=[insert(text, prompt, place) for prompt in select["prompt"]])
        assert torch.isclose(loss, answer_losses(model, tiny_tokenizer, asked).mean(), rtol=1e-4)


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
    answer = f" {row['choices'][row['answer']]}"
    with_text = torch.tensor([tiny_tokenizer.encode(insert("ab!d", row["prompt"], place) + answer)])
    plain = torch.tensor([tiny_tokenizer.encode(row["prompt"] + answer)])
    layer = 2
    hidden = tiny_model(with_text, output_hidden_states=True)
    wanted = other(plain, output_hidden_states=True).hidden_states[layer + 1][0]
    # All of the plain text but its first token; or the answer and the position that predicts it.
    count = plain.shape[1] - 1 if place == "before" else len(answer) + 1
    distance = representation_distance(hidden.hidden_states[layer + 1][:, -count:], wanted[-count:])
    ids = torch.tensor([tiny_tokenizer.encode("ab!d")])
    loss = InsertionLoss(attack(reference=reference), insertion.slots, layer, 0.0)(ids)
    assert torch.isclose(loss, distance, rtol=1e-4) and loss > 0.01
    start = 0 if place == "before" else len(row["prompt"])
    fluency = tokens_nll(hidden.logits[:, start : start + 3], ids[:, 1:]).mean()
    fluent = InsertionLoss(attack(reference=reference), insertion.slots, layer, 0.5)(ids)
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
    loss_of, usable = InsertionLoss(attack(model), insertion.slots, None, 0.0), insertion.usable(260)
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
    gradient = InsertionLoss(attack(), slots, None, 0.7).gradient(ids)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5)


def test_candidates_are_the_lowest_gradients_and_substitutions_change_one_token():
    gradient, usable = torch.tensor([[3.0, -1.0, 0.0, -9.0], [0.0, 5.0, -2.0, -9.0]]), torch.tensor([0, 1, 2])
    top = top_candidates(gradient, usable, 2)
    assert top.tolist() == [[1, 2], [2, 0]]
    ids = torch.tensor([9, 8])
    tried = substitutions(ids, top, 50, torch.Generator().manual_seed(0))
    assert sorted(tried.tolist()) == [[1, 8], [2, 8], [9, 0], [9, 2]]


def test_more_steps_lower_the_loss_and_the_gradient_beats_random_search_of_equal_budget(attack):
    steps, wins = [1, 12], []
    for seed in range(4):
        first, last = (float(one.setting.rsplit(" ", 1)[-1]) for one in gcg(steps=steps).run(attack(seed=seed)))
        assert last < first
        # With every token a candidate the substitutions are drawn at random.
        wins.append(last - last_loss(attack(seed=seed), steps=steps, top_k=10_000))
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
    losses = [answer_losses(tiny_model, tiny_tokenizer, table).mean() for table in asked]
    assert losses[1] < losses[0]
    assert f"{losses[1]:.2f}" == f"{float(points[2].setting.rsplit(' ', 1)[-1]):.2f}"
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in tiny_model.parameters())


def test_a_seed_finds_the_same_text_again_and_another_seed_another(attack):
    found = [next(gcg(steps=[3]).run(attack(seed=seed))).setting for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_a_search_of_more_questions_than_there_are_stops(attack):
    with pytest.raises(DataError, match="lower questions"):
        list(gcg(questions=9).run(attack()))
