"""Questions that no score could answer are refused in one line that names them."""

import pytest
from odd_tokenizers import tokenizer_of

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.config_json import positions_of
from unlearning_robustness.scoring.packing import PackedQuestion, cut, pack

LONG_ROPE = {"rope_type": "longrope", "original_max_position_embeddings": 4}


@pytest.mark.parametrize("prompt", ["", "  ", "\n"])
def test_an_empty_prompt_is_refused(tiny_tokenizer, prompt):
    with pytest.raises(DataError, match="question tin/0: its prompt is empty"):
        pack(tiny_tokenizer, prompt, ["Sn", "Fe"], "tin/0")


def test_a_choice_that_adds_no_token_is_refused():
    """The tokenizer joins the prompt's last letter with the space, so an empty choice leaves nothing."""
    with pytest.raises(DataError, match="question tin/0: choice '' adds no token to its prompt"):
        pack(tokenizer_of(merges=[("s", "Ġ")]), "Tin is", ["Sn", ""], "tin/0")


def test_letters_before_an_end_that_the_tokenizer_appends_are_refused():
    """lm-eval counts the prompt's own end of sequence and scores nothing but that of the letter: all would tie."""
    with pytest.raises(DataError, match=r"question tin/0: all its choices .* add_eos_token to false"):
        pack(tokenizer_of(behind=["</s>"], merges=[("Ġ", "A"), ("Ġ", "B")]), "Tin is", ["A", "B"], "tin/0")


def test_equal_texts_as_published_questions_have_them_are_scored(tiny_tokenizer):
    assert len(set(pack(tiny_tokenizer, "Tin is", ["Sn", "Sn"]).choices)) == 1


def test_a_question_without_a_name_is_named_by_its_prompt(tiny_tokenizer):
    with pytest.raises(DataError, match="question ' ': its prompt"):
        pack(tiny_tokenizer, " ", ["Sn"])


def test_a_question_that_fits_is_one_row_and_another_one_row_a_choice():
    question = PackedQuestion((1, 2, 3, 4), ((5, 6), (7,)), "q")
    assert cut(question, None) == cut(question, 5) == [question]
    assert cut(question, 4) == [PackedQuestion((2, 3, 4), ((5, 6),), "q"), PackedQuestion((1, 2, 3, 4), ((7,),), "q")]
    with pytest.raises(DataError, match="q: a choice has 2 tokens, the model 1 positions"):
        cut(question, 1)


@pytest.mark.parametrize(
    ("settings", "longest"),
    [
        ({"max_position_embeddings": 9}, 9),
        ({"n_positions": 7, "n_ctx": 3}, 7),
        ({}, None),
        ({"max_position_embeddings": 9, "rope_parameters": LONG_ROPE}, 4),
        ({"max_position_embeddings": 9, "rope_parameters": {"full_attention": LONG_ROPE}}, 4),
        ({"max_position_embeddings": 9, "original_max_position_embeddings": 5, "rope_scaling": {"type": "su"}}, 5),
        ({"max_position_embeddings": 9, "rope_parameters": {**LONG_ROPE, "rope_type": "yarn"}}, 9),
    ],
)
def test_the_longest_input_is_what_the_configuration_says(settings, longest):
    assert positions_of(settings) == longest
