import copy

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.prefill import BEGINNINGS, CHAT, Prefill, chat_turn

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<me>{% endif %}"
)


def test_every_beginning_holds_the_question_and_leaves_room_for_an_answer():
    worded = {name: text.format(prompt="Tin {is}") for name, text in BEGINNINGS.items()}
    assert len(set(worded.values())) == len(worded)
    assert all("Tin {is}" in text and text == text.rstrip() for text in worded.values())


def test_in_the_chat_format_the_assistant_has_begun_with_the_question(tiny_tokenizer):
    tokenizer = copy.copy(tiny_tokenizer)
    tokenizer.chat_template = TEMPLATE
    assert chat_turn(tokenizer)("Tin is") == "<user>Complete the sentence: Tin is\n<me>Tin is"


def test_a_model_with_a_chat_format_is_tried_in_it(tiny_model, tiny_tokenizer, question_table):
    select = question_table[question_table["split"] == "select"].drop_duplicates("fact")
    tried = []
    for template in (None, TEMPLATE):
        tokenizer = copy.copy(tiny_tokenizer)
        tokenizer.chat_template = template
        tried.append(list(Prefill(0.05).run(AttackInput(tiny_model, tokenizer, None, 0, select, None, 4)))[-1].budget)
    assert [one["steps"] for one in tried] == [len(BEGINNINGS), len([*BEGINNINGS, CHAT])]
