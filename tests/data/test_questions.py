from collections import Counter
from functools import cache

import pandas
import pytest

from unlearning_robustness.data import questions as module
from unlearning_robustness.data.facts import Fact, relation, same_initial, within
from unlearning_robustness.data.questions import (
    DOMAINS,
    assign_splits,
    build_questions,
    draw_choices,
    from_table,
    keep_known,
    limit,
    to_table,
)
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

SHARES = {"relearn": 2, "select": 2, "test": 4}


@cache
def asked(domain="elements", seed="7", distractors=3):
    entities = DOMAINS[domain].entities()
    return build_questions(DOMAINS[domain].relations(), "forget", assign_splits(entities, SHARES), distractors, seed)


@pytest.mark.parametrize("domain", DOMAINS)
def test_splits_are_disjoint_and_have_the_asked_shares(domain):
    entities = DOMAINS[domain].entities()
    splits = assign_splits(entities, SHARES)
    assert list(splits) == list(entities)
    counts = Counter(splits.values())
    for split, share in SHARES.items():
        assert abs(counts[split] - len(entities) * share / 8) < share


def test_splits_are_interleaved():
    entities = [str(number) for number in range(80)]
    splits = list(assign_splits(entities, SHARES).values())
    # In any eight neighbours every split has its share, and no split has three neighbours in a row.
    assert all(Counter(splits[start : start + 8]) == Counter(SHARES) for start in range(72))
    assert all(len(set(splits[start : start + 3])) > 1 for start in range(78))


def test_every_question_of_an_entity_is_in_its_split():
    splits = assign_splits(DOMAINS["elements"].entities(), SHARES)
    assert all(question.split == splits[question.entity] for question in asked())


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_answer_is_the_facts_and_choices_are_four_different_ones(domain):
    expected = [
        (template.format(subject=fact.subject), fact.answer)
        for item in DOMAINS[domain].relations()
        for fact in item.facts
        for template in item.templates
    ]
    found = asked(domain)
    assert [(question.prompt, question.choices[question.answer]) for question in found] == expected
    assert all(len(set(question.choices)) == len(question.choices) == 4 for question in found)
    assert len({question.question for question in found}) == len(found)


def test_the_answer_stands_at_every_place_about_equally_often():
    counts = Counter(question.answer for question in asked())
    # Four places: the standard deviation of 1694 questions is 18.
    assert all(abs(counts[place] - len(asked()) / 4) < 70 for place in range(4))


def test_hard_distractors_come_first():
    fact = Fact("e", "e", "He", ("Hf", "Ho"), ("Ag", "Au"))
    for seed in range(20):
        wrong = draw_choices(fact, 3, shuffler(seed, "x"))
        assert {"Hf", "Ho"} < set(wrong)
    with pytest.raises(DataError, match="there are 4 distractors, not 5"):
        draw_choices(fact, 5, shuffler(0, "x"))


def test_symbols_have_distractors_of_the_same_initial_where_three_exist():
    initials = Counter(answer[0] for answer in DOMAINS["elements"].elements()["symbol"])
    for question in asked():
        if question.relation == "symbol":
            initial = question.choices[question.answer][0]
            alike = sum(choice[0] == initial for choice in question.choices) - 1
            assert alike == min(3, initials[initial] - 1)


@pytest.mark.parametrize(("kind", "distance"), [("atomic-number", 12), ("atomic-weight", 20)])
def test_numbers_have_distractors_nearby(kind, distance):
    table = DOMAINS["elements"].elements()
    pool = {int(value) for value in table["number" if kind == "atomic-number" else "weight"]}
    for question in asked():
        if question.relation == kind:
            answer = int(question.choices[question.answer])
            near = sum(0 < abs(other - answer) <= distance for other in pool)
            assert sum(0 < abs(int(choice) - answer) <= distance for choice in question.choices) == min(3, near)


def test_the_same_seed_gives_the_same_questions_and_another_seed_others():
    assert asked.__wrapped__() == asked()
    other = asked(seed="8")
    assert [question.question for question in other] == [question.question for question in asked()]
    assert sum(a.choices != b.choices for a, b in zip(asked(), other, strict=True)) > 0.9 * len(other)


def test_two_templates_of_a_fact_draw_independently():
    facts = {}
    for question in asked("geography"):
        facts.setdefault(question.fact, []).append(question)
    pairs = [pair for pair in facts.values() if pair[0].relation == "state-capital"]
    same = sum(first.choices == second.choices for first, second in pairs)
    assert len(pairs) == 50
    assert same == 0
    assert len({first.answer == second.answer for first, second in pairs}) == 2


def test_only_facts_answered_in_every_template_are_known():
    splits = {"a": "test", "b": "test"}
    made = relation("r", ["{subject} is", "{subject} has"], [("a", "a", "1"), ("b", "b", "2")], within(5))
    found = build_questions([made], "forget", splits, 1, "0")
    assert [question.fact[-1] for question in found] == ["a", "a", "b", "b"]
    assert keep_known(found, [True, False, True, True]) == found[2:]
    assert keep_known(found, [True] * 4) == found
    assert keep_known(found, [False] * 4) == []
    with pytest.raises(ValueError, match="argument 2"):
        keep_known(found, [True])


def test_limit_asks_so_many_templates_a_fact_and_so_many_facts_a_split():
    found = asked()
    kept = limit(found, 1, {"select": 10, "test": 7}, "s")
    facts = Counter(question.fact for question in kept)
    assert set(facts.values()) == {1}
    per_split = Counter(question.split for question in kept)
    assert (per_split["select"], per_split["test"]) == (10, 7)
    assert per_split["relearn"] == len({question.fact for question in found if question.split == "relearn"})
    assert {question.template for question in kept} == {0, 1}
    assert [question for question in found if question in set(kept)] == kept
    assert limit(found, 1, {"select": 10, "test": 7}, "s") == kept
    assert limit(found, 1, {"select": 10, "test": 7}, "t") != kept
    assert limit(found, 9, {}, "s") == found


def test_questions_survive_the_way_through_a_table_and_a_file(tmp_path):
    found = asked("symbols")
    table = to_table(found)
    assert list(table.columns) == list(module.Question.__dataclass_fields__)
    table.assign(probe="plain").to_parquet(tmp_path / "q.parquet")
    assert from_table(pandas.read_parquet(tmp_path / "q.parquet")) == found


def test_prompts_hold_the_subject_and_not_the_braces():
    made = relation("r", ["The symbol of {subject} is"], [("a", "gold", "Au"), ("b", "silver", "Ag")], same_initial)
    found = build_questions([made], "forget", {"a": "test", "b": "test"}, 1, "0")
    assert [question.prompt for question in found] == ["The symbol of gold is", "The symbol of silver is"]
