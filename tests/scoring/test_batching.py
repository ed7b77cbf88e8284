"""Which questions run together, and that a plain causal pass gives what a mask does."""

import random
from dataclasses import replace

import pytest
import torch

from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring import batching
from unlearning_robustness.scoring.batching import LONG, split
from unlearning_robustness.scoring.multiple_choice import PackedBatch, collate, run_packed, tree_mask
from unlearning_robustness.scoring.packing import PackedQuestion

LETTERS = ((65,), (66,), (67,), (68,))


def question(*prompt: int, choices=LETTERS) -> PackedQuestion:
    return PackedQuestion(tuple(prompt), choices)


def masked(batch: PackedBatch, questions: list[PackedQuestion]) -> PackedBatch:
    """The same batch by way of a mask between positions."""
    return replace(batch, mask=tree_mask(questions))


def drawn(count: int, longest: int = 40) -> list[PackedQuestion]:
    """Questions of any length; every third has choices that branch."""
    generator = random.Random(5)
    trees = ((1, 2), (1, 3, 4), (5,))
    return [
        question(*generator.choices(range(9), k=generator.randint(1, longest)), choices=LETTERS if n % 3 else trees)
        for n in range(count)
    ]


@pytest.mark.parametrize("share", [False, True])
def test_every_question_is_in_one_batch_within_the_bounds(share):
    questions = drawn(100)
    batches = split(questions, 7, share)
    assert sorted(index for batch in batches for index in batch.indices) == list(range(100))
    for batch in batches:
        assert len(batch.indices) <= 7 and batch.positions <= 7 * LONG
        assert batch.width == max(questions[index].length for index in batch.indices)
    assert batches == split(questions, 7, share)


def test_what_needs_no_mask_is_apart_from_what_does():
    questions = drawn(60)
    for batch in split(questions, 8):
        (causal,) = {questions[index].causal for index in batch.indices}
        assert (collate([questions[index] for index in batch.indices]).mask is None) == causal


def test_a_batch_of_long_prompts_has_fewer_questions():
    questions = [question(*range(length)) for length in (3000, 3001, 3002, 20, 21)]
    assert [batch.indices for batch in split(questions, 48)] == [[3, 4], [0, 1], [2]]
    # One that is longer than a whole batch may be stands alone.
    assert [batch.indices for batch in split(questions, 2)] == [[3, 4], [0], [1], [2]]


def test_batches_end_where_what_their_prompts_share_does():
    shots = {subject: tuple(range(subject, subject + 200)) for subject in (0, 1000)}
    questions = [question(*shots[(n % 2) * 1000], *range(n, n + 5 + n % 3)) for n in range(24)]
    batches = split(questions, 48, share=True)
    assert [{index % 2 for index in batch.indices} for batch in batches] == [{0}, {1}]
    assert [batch.head for batch in batches] == [200, 200]
    # 12 rows of at most 7 positions behind each subject's shots.
    assert sum(batch.positions for batch in batches) == 2 * (200 + 12 * 7)


def test_questions_that_share_little_are_run_in_order_of_length(monkeypatch):
    questions = drawn(50)
    assert split(questions, 8, share=True) == split(questions, 8)
    # The prefix of all is that of every two neighbours, in any order.
    monkeypatch.setattr(batching, "worth_sharing", lambda shared, *_: shared)
    for batch in split([question(1, 2, 3, n % 5, n) for n in range(30)], 30, share=True):
        assert batch.shared == 3 + (len({index % 5 for index in batch.indices}) == 1)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Mistral"])
@pytest.mark.parametrize("head", [0, 3])
def test_a_causal_batch_gives_what_its_mask_gives(make_model, kind, head):
    # Mistral's layers see a window of four positions here.
    model = make_model(kind, **({"sliding_window": 4} if kind == "Mistral" else {}))
    questions = [question(1, 2, 3, *range(10, 10 + length)) for length in (2, 5, 9)]
    questions.append(question(1, 2, 3, 7, choices=((8, 9, 5),)))
    span, batch = LayerSpan(model, 0, 4), collate(questions)
    assert batch.mask is None
    real = torch.arange(batch.input_ids.shape[1]) < torch.tensor([[each.length] for each in questions])
    expected = run_packed(span, masked(batch, questions).behind(head))
    torch.testing.assert_close(
        run_packed(span, batch.behind(head))[real[:, head:]], expected[real[:, head:]], atol=1e-5, rtol=1e-5
    )


def test_a_causal_batch_reaches_the_attention_without_a_mask(tiny_model, monkeypatch):
    seen, attention = [], torch.nn.functional.scaled_dot_product_attention

    def watched(*given, attn_mask=None, is_causal=False, **named):
        seen.append((attn_mask is None, is_causal))
        return attention(*given, attn_mask=attn_mask, is_causal=is_causal, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    span, questions = LayerSpan(tiny_model, 0, 4), [question(1, 2, 3), question(4, 5)]
    run_packed(span, collate(questions))
    assert set(seen) == {(True, True)} and len(seen) == 4
    seen.clear()
    run_packed(span, masked(collate(questions), questions))
    assert set(seen) == {(False, False)}
