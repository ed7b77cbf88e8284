import pytest
import torch
from families import FAMILIES, family_model

from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import choice_log_likelihoods, collate, run_packed
from unlearning_robustness.scoring.packing import PackedQuestion, pack

QUESTIONS = [
    ("The symbol of iron is", ("Fe", "Gold", "a", "something much longer")),
    ("Paris", ("is in France", "x", "no", "Chad")),
    ("A considerably longer prompt, with commas, asks", ("b", "bb", "bbb", "bbbb")),
    ("Tin", ("a", "b", "c", "d")),
    ("Who wrote it? It was", ("you and I", "me", "them", "us")),
    ("How many are there? There are", ("114", "115", "1", "11")),
]


def scores(model, tokenizer, questions, **changes):
    span = LayerSpan(model, 0, 4)
    return choice_log_likelihoods(
        lambda batch: run_packed(span, batch),
        lambda hidden: logits_of(model, hidden),
        [pack(tokenizer, *question) for question in questions],
        **changes,
    ).view(len(questions), -1)


def naive(model, tokenizer, prompt, choice):
    """The full model over one unpadded sequence."""
    start, ids = len(tokenizer.encode(prompt)), tokenizer.encode(f"{prompt} {choice}")
    probabilities = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(probabilities[place - 1, ids[place]].item() for place in range(start, len(ids)))


SHOTS = "Is iron heavy? Yes, it is. "


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_choice_has_the_likelihood_it_has_alone(tiny_tokenizer, family):
    """Windows of 4 tokens slide over prompts of up to 74, whether a shared beginning is run once or not."""
    model, questions = family_model(family), [*QUESTIONS, *((SHOTS + prompt, choices) for prompt, choices in QUESTIONS)]
    expected = torch.tensor(
        [[naive(model, tiny_tokenizer, prompt, choice) for choice in choices] for prompt, choices in questions]
    )
    for share in (False, True):
        found = scores(model, tiny_tokenizer, questions, batch_size=6, share=share)
        torch.testing.assert_close(found, expected, atol=3e-5, rtol=3e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_batch_size_does_not_matter(tiny_model, tiny_tokenizer, batch_size):
    together = scores(tiny_model, tiny_tokenizer, QUESTIONS, batch_size=48)
    apart = scores(tiny_model, tiny_tokenizer, QUESTIONS, batch_size=batch_size)
    torch.testing.assert_close(apart, together, atol=2e-5, rtol=2e-6)


def test_scores_come_in_the_order_of_the_questions(tiny_model, tiny_tokenizer):
    forward = scores(tiny_model, tiny_tokenizer, QUESTIONS, batch_size=2)
    backward = scores(tiny_model, tiny_tokenizer, QUESTIONS[::-1], batch_size=2)
    torch.testing.assert_close(backward.flip(0), forward, atol=2e-5, rtol=2e-6)
    assert (forward[0] - forward[1]).abs().min() > 0.1


def test_the_order_of_choices_does_not_matter(tiny_model, tiny_tokenizer):
    turned = [(prompt, choices[::-1]) for prompt, choices in QUESTIONS]
    expected = scores(tiny_model, tiny_tokenizer, QUESTIONS)
    torch.testing.assert_close(scores(tiny_model, tiny_tokenizer, turned).flip(1), expected, atol=2e-5, rtol=2e-6)


def test_a_question_is_packed_as_its_tokens(tiny_tokenizer):
    packed = pack(tiny_tokenizer, "Tin is", ("Sn", "a metal"))
    assert list(packed.prompt) == tiny_tokenizer.encode("Tin is")
    assert [list(choice) for choice in packed.choices] == [tiny_tokenizer.encode(t) for t in (" Sn", " a metal")]
    # Both choices begin with a space, and their last tokens predict nothing.
    assert packed.length == 6 + 1 + 1 + 6


def test_a_choice_sees_the_prompt_and_itself_only():
    batch = collate([PackedQuestion((1, 2), ((3, 4, 9), (5, 9))), PackedQuestion((6,), ((7,), (8,)))])
    yes = {(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2), (3, 3), (4, 0), (4, 1), (4, 4)}
    assert {tuple(place) for place in batch.mask[0, 0].nonzero().tolist()} == yes
    assert batch.position_ids[0].tolist() == [0, 1, 2, 3, 2]
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 5], [6, 0, 0, 0, 0]]
    assert batch.rows.tolist() == [0, 0, 0, 0, 0, 1, 1] and batch.columns.tolist() == [1, 2, 3, 1, 4, 0, 0]
    assert batch.targets.tolist() == [3, 4, 9, 5, 9, 7, 8] and batch.owner.tolist() == [0, 0, 0, 1, 1, 2, 3]


def test_what_choices_begin_with_alike_stands_in_the_row_once():
    # 3 4 9 and 3 4 8 share 3 and 4; 3 5 shares 3 alone; 4 3 begins with another 4.
    question = PackedQuestion((1, 2), ((3, 4, 9), (3, 4, 8), (3, 5), (4, 3)))
    batch = collate([question])
    assert question.length == 5 and batch.input_ids.tolist() == [[1, 2, 3, 4, 4]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 2]]
    assert batch.mask[0, 0].nonzero().tolist() == [
        [0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2], [3, 0], [3, 1], [3, 2], [3, 3], [4, 0], [4, 1], [4, 4],
    ]  # fmt: skip
    assert batch.columns.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 1, 4]
    assert batch.targets.tolist() == [3, 4, 9, 3, 4, 8, 3, 5, 4, 3]
    assert batch.owner.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]


def test_choices_of_one_token_take_no_position_behind_the_prompt():
    batch = collate([PackedQuestion((1, 2), ((3,), (4,)))])
    assert batch.input_ids.tolist() == [[1, 2]] and batch.columns.tolist() == [1, 1]


def test_no_questions_cannot_be_scored(tiny_model, tiny_tokenizer):
    with pytest.raises(ValueError, match="no questions"):
        scores(tiny_model, tiny_tokenizer, [])


def test_questions_may_have_different_numbers_of_choices(tiny_model, tiny_tokenizer):
    asked = [("Iron", ("a", "bb", "c")), ("Tin is", ("a", "b")), ("Zinc", ("d",))]
    span = LayerSpan(tiny_model, 0, 4)
    found = choice_log_likelihoods(
        lambda batch: span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids),
        lambda hidden: logits_of(tiny_model, hidden),
        [pack(tiny_tokenizer, *question) for question in asked],
        batch_size=2,
    )
    expected = [naive(tiny_model, tiny_tokenizer, prompt, choice) for prompt, choices in asked for choice in choices]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_every_batch_reports_progress(tiny_model, tiny_tokenizer):
    seen = []
    scores(tiny_model, tiny_tokenizer, QUESTIONS, batch_size=2, on_batch=seen.append)
    # Three questions need no mask, and the other three do.
    assert seen == [2, 3, 5, 6]
