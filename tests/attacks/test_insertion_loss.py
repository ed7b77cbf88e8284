import copy
from contextlib import contextmanager

import pytest
import torch
from planted import losses_of

from unlearning_robustness.attacks.gcg import top_candidates
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


def test_what_is_to_be_missed_is_the_log_probability_of_the_wrong_choices():
    scores = torch.tensor([[0.0, -1.0, -2.0], [-3.0, 0.5, -4.0]])
    wanted = -torch.log(1 - scores.softmax(-1)[:, 1])
    assert torch.allclose(mislead(scores, 1), wanted)
    assert mislead(scores, 1)[0] < mislead(scores, 1)[1]


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
