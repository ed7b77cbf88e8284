import pandas
import pytest

from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.few_shot import FewShot
from unlearning_robustness.errors import DataError


def question(role, relation, name, split="relearn"):
    choices = [f"{name}-{index}" for index in range(4)]
    asked = {"prompt": f"The {relation} of {name} is", "choices": choices, "answer": len(name) % 4}
    return {"role": role, "relation": relation, "entity": name, "split": split, **asked}


@pytest.fixture
def attack():
    pool = [("symbol", name) for name in ("iron", "tin", "lead")] + [("weight", name) for name in ("zinc", "radon")]
    rows = [question("forget", *one) for one in pool] + [question("retain", "capital", "Chad")]
    select = [question("retain", "capital", name, "select") for name in ("Peru", "Mali", "Oman", "Cuba")]
    select.append(question("forget", "symbol", "argon", "select"))
    return AttackInput(None, None, None, 3, select=pandas.DataFrame(select), answered=pandas.DataFrame(rows))


@pytest.fixture
def asked():
    return pandas.DataFrame(
        [question("forget", "symbol", "gold", "test"), question("forget", "weight", "neon", "test")]
    )


def shown(attack, asked, count, **changes):
    (point,) = FewShot([count], **changes).run(attack)
    return [prompt.split("\n\n") for prompt in point.ask(asked)["prompt"]]


def right(line):
    name = line.split(" ")[3]
    return line.endswith(f" {name}-{len(name) % 4}")


def test_the_question_stands_behind_k_rightly_answered_others(attack, asked):
    for count in (1, 3, 5):
        for row, lines in zip(asked.itertuples(), shown(attack, asked, count), strict=True):
            assert lines[-1] == row.prompt and len(set(lines)) == count + 1
            assert all(map(right, lines[:-1])) and not any("Chad" in line or "gold" in line for line in lines[:-1])
    assert shown(attack, asked, 3)[0][1:] == shown(attack, asked, 2)[0]


def test_no_shots_are_the_plain_question_and_seeds_draw_the_context(attack, asked):
    plain, two = FewShot([0, 2]).run(attack)
    assert plain.ask is as_it_is and (plain.budget, two.budget) == ({"steps": 0}, {"steps": 2})
    other = [shown(AttackInput(None, None, None, seed, answered=attack.answered), asked, 4) for seed in range(4)]
    assert shown(attack, asked, 4) == other[3] and len({str(lines) for lines in other}) > 1


def test_questions_of_the_same_relation_come_first_and_stand_nearest(attack, asked):
    for row, lines in zip(asked.itertuples(), shown(attack, asked, 4, relations="same"), strict=True):
        same = [row.relation in line for line in lines[:-1]]
        assert same == sorted(same) and sum(same) == {"symbol": 3, "weight": 2}[row.relation]


def test_wrong_answers_are_the_same_questions_wrongly_answered(attack, asked):
    wrong = [line for lines in shown(attack, asked, 5, answers="wrong") for line in lines[:-1]]
    assert not any(map(right, wrong)) and all("-" in line for line in wrong)


def test_shots_from_outside_are_retain_questions_and_none_is_about_the_entity_asked(attack, asked):
    asked = pandas.concat([asked, attack.select])
    for count in (1, 3):
        for row, lines in zip(asked.itertuples(), shown(attack, asked, count, role="retain"), strict=True):
            assert lines[-1] == row.prompt and len(set(lines)) == count + 1
            assert all("capital" in line and right(line) and row.entity not in line for line in lines[:-1])
    with pytest.raises(DataError, match="4 shots need 5 questions; the select split has 4 of retain: lower"):
        list(FewShot([4], role="retain").run(attack))


def test_more_shots_than_the_pool_has_stop(attack):
    with pytest.raises(DataError, match=r"lower attacks\.\*\.parameters\.shots"):
        list(FewShot([6]).run(attack))
