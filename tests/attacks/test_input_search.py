"""Trained changes of what a model reads: what they are, and what they bring to a model that knows nothing."""

import math

import pytest
import torch
from planted import CORPORA, questions, state, unharmed

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.embedding import EmbeddingPerturbation
from unlearning_robustness.attacks.input_search import InputChange, about_another, contrast_of, train
from unlearning_robustness.attacks.insertion import insert
from unlearning_robustness.attacks.soft_prompt import SoftPrompt, put
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

SOFT = {"vectors": 4, "steps": [0, 3], "learning_rate": 0.1, "batch_size": 4, "utility_bound": 1.0}
SHIFT = {"radius": 0.5, "steps": [0, 3], "learning_rate": 0.1, "batch_size": 4, "utility_bound": 1.0}


@pytest.fixture(scope="module")
def model(make_model):
    return make_model()


@pytest.fixture(scope="module")
def asked():
    table = questions(forget=60, retain=12)
    return table.assign(split=table["split"].mask((table["role"] == "forget") & (table.index % 2 == 0), "relearn"))


def attack_of(model, tokenizer, asked, seed=1):
    select, answered = (asked[asked["split"] == split] for split in ("select", "relearn"))
    return AttackInput(model, tokenizer, CORPORA, seed, select, None, 16, answered)


def soft_change(tokenizer, mark, count):
    soft = SoftPrompt(**{**SOFT, "vectors": count})
    return InputChange(lambda scorer: soft._packed(tokenizer, mark, None, scorer), lambda *given: put(mark, *given))


def test_vectors_that_are_a_texts_embeddings_read_as_that_text(model, tiny_tokenizer, asked):
    """With the text's vectors in shared beginnings and in batches of one, where none is shared."""
    text = "ab!d"
    vectors = model.get_input_embeddings()(torch.tensor(tiny_tokenizer.encode(text)))
    behind = asked.assign(prompt=[insert(text, prompt, "before") for prompt in asked["prompt"]])
    for size in (16, 1):
        read = soft_change(tiny_tokenizer, 259, 4).read(vectors)(QuestionScorer(tiny_tokenizer, asked, size), model)
        expected = QuestionScorer(tiny_tokenizer, behind, size).log_likelihoods(model)
        assert torch.allclose(read, expected, atol=1e-4)


def test_put_takes_the_vectors_in_turn():
    ids, embeddings = torch.tensor([[9, 9, 1], [2, 9, 9]]), torch.zeros(2, 3, 1)
    changed = put(9, ids, embeddings, torch.tensor([[5.0], [6.0]]))
    assert changed[..., 0].tolist() == [[5.0, 6.0, 0.0], [0.0, 5.0, 6.0]]


def test_a_vector_is_added_to_every_embedding(make_model, tiny_tokenizer, asked):
    model, vector = make_model(), 0.1 * torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    scorer = QuestionScorer(tiny_tokenizer, asked, 16)
    change = InputChange(lambda scorer: scorer.packed, lambda _, embeddings, vector: embeddings + vector[0])
    read = change.read(vector)(scorer, model)
    with torch.no_grad():
        model.get_input_embeddings().weight += vector
    assert torch.allclose(read, QuestionScorer(tiny_tokenizer, asked, 16).log_likelihoods(model), atol=1e-4)


def test_the_loss_is_the_contrast_of_the_choices_and_its_gradient_is_right(model, tiny_tokenizer, asked):
    few = asked.head(5)
    scorer, right = QuestionScorer(tiny_tokenizer, few, 16), torch.tensor(few["answer"].to_numpy())
    shares = torch.tensor([[1, 2, 1, 1]] * 5)
    scores = scorer.log_likelihoods(model) / shares
    loss = contrast_of(model, scorer.packed, right, shares)
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(scores, right).item(), rel=1e-4)
    change = soft_change(tiny_tokenizer, 259, 2)
    start = model.get_input_embeddings().weight[[70, 80]].clone().requires_grad_()

    def loss_at(vectors):
        with change.of(model, vectors):
            return contrast_of(model, change.pack(scorer), right, shares)

    (gradient,) = torch.autograd.grad(loss_at(start), start)
    step = 1e-2 * torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    slope = (loss_at(start + step) - loss_at(start - step)).item() / 2
    assert (gradient * step).sum().item() == pytest.approx(slope, rel=0.05)


@pytest.mark.parametrize("kind", ["soft", "shift"])
def test_training_lowers_the_loss_within_bounds_and_no_budget_is_no_attack(model, tiny_tokenizer, asked, kind):
    before, attack = state(model), attack_of(model, tiny_tokenizer, asked)
    made = SoftPrompt(**SOFT) if kind == "soft" else EmbeddingPerturbation(**SHIFT)
    points = list(made.run(attack))
    assert (
        [point.budget["steps"] for point in points] == [0, 3] and len(points[1].losses) == 3 and unharmed(model, before)
    )
    weight = model.get_input_embeddings().weight
    longest = 0.5 * weight.norm(dim=-1).mean().item()
    change = InputChange(
        lambda scorer: scorer.packed,
        lambda _, embeddings, vector: embeddings + vector[0],
        lambda vector: vector * min(1.0, longest / vector.norm().item()),
    )
    vectors = [vector for vector, _ in train(attack, change, torch.zeros(1, 32), 30, 0.3, 30)]
    assert max(vector.norm().item() for vector in vectors) == pytest.approx(longest, rel=1e-4)
    scorer = QuestionScorer(tiny_tokenizer, attack.answered, 64)
    right = torch.tensor(attack.answered["answer"].to_numpy())
    losses = [
        torch.nn.functional.cross_entropy(change.read(vector)(scorer, model), right).item()
        for vector in (torch.zeros(1, 32), vectors[-1])
    ]
    assert losses[1] < 0.9 * losses[0]


def test_what_was_never_known_is_not_found_but_own_answers_can_be_taught(model, tiny_tokenizer):
    """Random answers: training on others finds none of them, training on their own finds most, so that is no attack."""
    asked = questions(forget=240, retain=12)
    asked = asked.assign(split=asked["split"].mask((asked["role"] == "forget") & (asked.index % 2 == 0), "relearn"))
    attack, test = attack_of(model, tiny_tokenizer, asked), asked[(asked["split"] == "test")]
    *_, last = SoftPrompt(**{**SOFT, "steps": [40], "batch_size": 16}).run(attack)
    scorer = QuestionScorer(tiny_tokenizer, test[test["role"] == "forget"], 64)
    found = scorer.accuracy_of(last.read(scorer, model))
    assert found <= 0.25 + 2.6 * math.sqrt(0.25 * 0.75 / len(scorer.packed))
    one = asked[asked["role"] == "forget"].head(1).assign(split="relearn")
    taught = attack_of(model, tiny_tokenizer, one)
    change = soft_change(tiny_tokenizer, 259, 4)
    *_, (vectors, _) = train(taught, change, model.get_input_embeddings().weight[60:64].clone(), 80, 0.3, 1)
    own = QuestionScorer(tiny_tokenizer, one, 1)
    answer = change.read(vectors)(own, model).log_softmax(-1)[0, one["answer"].iloc[0]]
    assert answer.exp() > 0.9


def test_the_control_asks_forget_questions_alone_about_another_entity(model, tiny_tokenizer, asked):
    changed = about_another(asked)
    forget = asked["role"] == "forget"
    assert (changed["prompt"] == asked["prompt"])[~forget].all() and (changed["prompt"] != asked["prompt"])[
        forget
    ].all()
    assert changed.drop(columns="prompt").equals(asked.drop(columns="prompt"))
    attack = attack_of(model, tiny_tokenizer, asked)
    own, other = (list(SoftPrompt(**SOFT, entity=entity).run(attack)) for entity in ("own", "another"))
    assert [point.setting for point in own] == [point.setting for point in other]
    assert all(point.ask is about_another for point in other)


def test_a_question_that_is_too_long_with_the_vectors_is_named(make_model, tiny_tokenizer, asked):
    model = make_model(max_position_embeddings=12)
    with pytest.raises(DataError, match=r"with 20 vectors it has \d+, the model 12 positions: lower"):
        list(SoftPrompt(**{**SOFT, "vectors": 20}).run(attack_of(model, tiny_tokenizer, asked)))
