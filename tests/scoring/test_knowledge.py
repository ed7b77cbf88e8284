import numpy
import pandas
import pytest
import torch

from unlearning_robustness.errors import ScoreError
from unlearning_robustness.scoring.bounds import not_above, standard_error
from unlearning_robustness.scoring.knowledge import (
    KnowledgeScorer,
    about_another_entity,
    about_others,
    right_log_probabilities,
)
from unlearning_robustness.scoring.questions import QuestionScorer


def questions(*rows):
    columns = ["entity", "relation", "prompt", "choices", "answer"]
    table = pandas.DataFrame(rows, columns=columns)
    return table.assign(question=table["entity"], template=0)


SYMBOLS = questions(
    ("iron", "symbol", "The symbol of iron is", ["Fe", "Au", "Sn"], 0),
    ("gold", "symbol", "The symbol of gold is", ["Zn", "Au", "Ag"], 1),
    ("tin", "symbol", "The symbol of tin is", ["Pb", "Cu", "Sn"], 2),
    ("zinc", "symbol", "The symbol of zinc is", ["Fe", "Zn", "Pb"], 1),
    ("iron", "number", "The number of iron is", ["26", "30"], 0),
    ("zinc", "number", "The number of zinc is", ["26", "30"], 1),
)


def test_the_same_options_stand_behind_the_prompt_of_another_entity_whose_answer_is_none_of_them():
    asked = about_another_entity(SYMBOLS)
    assert asked.drop(columns="prompt").equals(SYMBOLS.drop(columns="prompt"))
    assert asked["prompt"].tolist() == [
        "The symbol of zinc is",
        "The symbol of iron is",
        "The symbol of iron is",
        "The symbol of gold is",  # Iron comes first, but Fe is one of zinc's options.
        "The number of zinc is",  # The only other number, though its answer is an option.
        "The number of iron is",
    ]


def test_an_entity_with_the_same_answer_serves_worse_than_one_whose_answer_is_a_wrong_option():
    series = questions(
        ("iron", "series", "iron", ["metal", "gas"], 0),
        ("gold", "series", "gold", ["metal", "gas"], 0),
        ("neon", "series", "neon", ["metal", "gas"], 1),
    )
    assert about_another_entity(series)["prompt"].tolist() == ["neon", "neon", "iron"]


def test_several_swaps_are_about_different_entities_of_the_same_role():
    table = pandas.concat([SYMBOLS[:4].assign(role="forget"), SYMBOLS[4:].assign(role="retain")])
    asked = about_others(table, 2)
    assert asked["question"].tolist() == [
        f"{name}/about-{swap}" for names in (SYMBOLS["entity"][:4], SYMBOLS["entity"][4:]) for swap in (0, 1)
        for name in names
    ]  # fmt: skip
    forget = asked[asked["role"] == "forget"]
    # About iron may be zinc alone, whose options gold's and tin's answers are not among; the answers stay.
    assert all(row.prompt not in (f"The symbol of {row.entity} is",) for row in forget.itertuples())
    assert forget["prompt"][:4].tolist() != forget["prompt"][4:].tolist()
    assert forget["answer"].tolist() == [0, 1, 2, 1] * 2
    assert asked[asked["role"] == "retain"]["prompt"].str.contains("number").all()


def test_facts_of_one_entity_have_no_floor():
    with pytest.raises(ScoreError, match=r"iron: every question is about 'iron'; ask about several"):
        about_another_entity(SYMBOLS[SYMBOLS["entity"] == "iron"])


def test_the_right_choice_has_its_share_of_the_choices():
    scores = numpy.log([[0.2, 0.3, 0.1], [0.01, 0.01, 0.02]])
    assert numpy.exp(right_log_probabilities(scores, [1, 2])) == pytest.approx([0.5, 0.5])


@pytest.fixture
def known(tiny_tokenizer):
    return KnowledgeScorer.of(tiny_tokenizer, SYMBOLS[:4], batch_size=3)


def test_a_margin_is_what_the_entity_adds_to_the_right_choice(known, tiny_model, tiny_tokenizer):
    parts = []
    for table in (SYMBOLS[:4], about_another_entity(SYMBOLS[:4])):
        scorer = QuestionScorer(tiny_tokenizer, table, batch_size=3)
        chosen = torch.tensor(scorer.deciding(scorer.log_likelihoods(tiny_model))).softmax(-1)
        parts.append(chosen[range(4), table["answer"].tolist()].numpy())
    margins = known.margins(tiny_model)
    assert margins == pytest.approx(parts[0] - parts[1], abs=1e-5) and numpy.abs(margins).min() > 1e-3


def test_accuracy_and_floor_are_those_of_either_half(known, tiny_model, tiny_tokenizer):
    halves = (SYMBOLS[:4], about_another_entity(SYMBOLS[:4]))
    shares = tuple(QuestionScorer(tiny_tokenizer, table, 3).accuracy(tiny_model) for table in halves)
    assert known.accuracies(tiny_model) == shares


def test_a_model_that_does_not_read_the_question_knows_nothing(known, tiny_model):
    with torch.no_grad():
        # Without attention a token knows only what stands before it: "is", in every prompt.
        for layer in tiny_model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
    assert known.margins(tiny_model) == pytest.approx(numpy.zeros(4), abs=1e-5)


def test_scores_are_above_only_where_chance_would_seldom_put_them():
    random = numpy.random.default_rng(0)
    base, noise = random.normal(size=100), random.normal(size=(1000, 100))
    held = [not_above(base + drawn, base, 0.95) for drawn in noise]
    assert 0.93 < numpy.mean(held) < 0.97
    assert not any(not_above(base + 0.6 + drawn, base, 0.95) for drawn in noise[:200])
    assert all(not_above(base - 0.3 + drawn, base, 0.95) for drawn in noise[:200])


def test_the_error_is_of_the_mean_and_equal_scores_are_not_above():
    differences = numpy.array([0.0, 2.0, 4.0])
    assert standard_error(differences) == pytest.approx(2 / 3**0.5) and standard_error(differences[:1]) == 0
    assert not_above(differences, differences, 0.95) and not not_above(differences + 1e-3, differences, 0.95)
