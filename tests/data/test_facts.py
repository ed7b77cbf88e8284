import pytest

from unlearning_robustness.data.facts import relation, same_initial, within
from unlearning_robustness.data.questions import DOMAINS

RELATIONS = [(name, item) for name, domain in DOMAINS.items() for item in domain.relations()]
IDS = [f"{name}/{item.name}" for name, item in RELATIONS]


def test_hard_distractors_are_alike_and_easy_ones_are_the_rest():
    rows = [("a", "a", "He"), ("b", "b", "Hf"), ("c", "c", "Ho"), ("d", "d", "Ag"), ("e", "e", "Ag")]
    facts = {fact.entity: fact for fact in relation("r", ["{subject} is"], rows, same_initial).facts}
    assert facts["a"].hard == ("Hf", "Ho")
    assert facts["a"].easy == ("Ag",)
    assert facts["d"].hard == ()
    assert facts["d"].easy == ("He", "Hf", "Ho")


def test_without_a_likeness_every_other_answer_is_hard():
    made = relation("r", ["{subject} is"], [("a", "a", "x"), ("b", "b", "y"), ("c", "c", "x")])
    assert [(fact.hard, fact.easy) for fact in made.facts] == [(("y",), ()), (("x",), ()), (("y",), ())]


def test_numbers_are_near_up_to_the_distance_and_not_beyond():
    near = within(12)
    assert near("20", "32")
    assert near("20", "8")
    assert not near("20", "33")


@pytest.mark.parametrize(("name", "item"), RELATIONS, ids=IDS)
def test_every_fact_has_an_answer_a_subject_and_an_entity_of_its_domain(name, item):
    entities = set(DOMAINS[name].entities())
    for fact in item.facts:
        assert fact.entity in entities
        assert fact.subject.strip() == fact.subject != ""
        assert fact.answer.strip() == fact.answer != ""
        assert "nan" not in (fact.answer.lower(), fact.subject.lower())


@pytest.mark.parametrize(("name", "item"), RELATIONS, ids=IDS)
def test_every_fact_has_three_wrong_answers_and_the_right_one_is_not_among_them(name, item):
    for fact in item.facts:
        others = [*fact.hard, *fact.easy]
        assert len(others) == len(set(others)) >= 3
        assert fact.answer not in others


@pytest.mark.parametrize(("name", "item"), RELATIONS, ids=IDS)
def test_every_relation_has_two_templates_that_end_before_the_answer(name, item):
    assert len(set(item.templates)) == len(item.templates) >= 2
    for template in item.templates:
        assert template.count("{subject}") == 1
        assert template.format(subject="it") == template.format(subject="it").strip()


@pytest.mark.parametrize(
    ("domain", "kind", "entity", "answer"),
    [
        ("elements", "symbol", "sodium", "Na"),
        ("elements", "atomic-number", "gold", "79"),
        ("elements", "atomic-weight", "iron", "56"),
        ("elements", "series", "neon", "noble gas"),
        ("elements", "name", "tungsten", "tungsten"),
        ("elements", "symbol", "aluminium", "Al"),
        ("geography", "capital", "France", "Paris"),
        ("geography", "continent", "Kenya", "Africa"),
        ("geography", "state-capital", "US state Texas", "Austin"),
        ("symbols", "unit-symbol", "kelvin", "K"),
        ("symbols", "metric-prefix", "micro", "µ"),
        ("symbols", "currency-code", "Swiss Franc", "CHF"),
    ],
)
def test_known_facts_are_among_the_facts(domain, kind, entity, answer):
    found = {item.name: item for name, item in RELATIONS if name == domain}[kind]
    assert answer in {fact.answer for fact in found.facts if fact.entity == entity}


def test_no_domain_shares_an_entity_with_another():
    names = [set(domain.entities()) for domain in DOMAINS.values()]
    assert sum(map(len, names)) == len(set.union(*names))
    assert [len(set(domain.entities())) for domain in DOMAINS.values()] == [
        len(domain.entities()) for domain in DOMAINS.values()
    ]
