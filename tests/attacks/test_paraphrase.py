import pandas
import pytest

from unlearning_robustness.attacks.paraphrase import common_frame, read_templates, recast

ROWS = [
    (0, "The symbol for iron is"), (0, "The symbol for gold is"),
    (1, "In chemistry tin has the symbol"), (1, "In chemistry white lead has the symbol"),
]  # fmt: skip


@pytest.fixture
def questions():
    rows = [{"role": "forget", "relation": "symbol", "template": number, "prompt": text} for number, text in ROWS]
    return pandas.DataFrame(rows)


def test_a_frame_is_what_all_prompts_begin_and_end_with_in_whole_words():
    assert common_frame(["The symbol Li stands for", "The symbol Lu stands for"]) == ("The symbol ", " stands for")
    assert common_frame(["Oslo is", "New York is"]) == ("", " is")
    assert common_frame(["Oslo is", "Oslo is"]) is None and common_frame(["Oslo", "Rome"]) is None
    assert common_frame(["a b", "a c b"]) is None


def test_questions_are_recast_in_the_other_template_of_their_relation(questions):
    templates = read_templates(questions)
    assert templates == {("forget", "symbol"): {0: ("The symbol for ", " is"), 1: ("In chemistry ", " has the symbol")}}
    asked = recast(templates, 0)(questions.assign(answer=2))
    assert asked["prompt"].tolist() == ["In chemistry iron has the symbol", "In chemistry gold has the symbol",
                                        "The symbol for tin is", "The symbol for white lead is"]  # fmt: skip
    assert (asked["answer"] == 2).all()
    assert recast(templates, 0)(asked.assign(template=1 - asked["template"]))["prompt"].equals(questions["prompt"])


def test_without_another_template_the_question_is_as_it_was(questions):
    one = read_templates(questions[questions["template"] == 0])
    assert recast(one, 0)(questions)["prompt"].equals(questions["prompt"])
    other = questions.assign(relation="weight")
    assert recast(read_templates(questions), 0)(other)["prompt"].equals(questions["prompt"])
