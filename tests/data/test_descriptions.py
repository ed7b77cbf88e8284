import pytest

from unlearning_robustness.data.elements import elements
from unlearning_robustness.data.geography import countries
from unlearning_robustness.data.probes import apply_probe
from unlearning_robustness.data.questions import DOMAINS, assign_splits, build_questions
from unlearning_robustness.errors import DataError


def asked_of(domain):
    domain = DOMAINS[domain]
    return build_questions(domain.relations(), "forget", assign_splits(domain.entities(), {"test": 1}), 3, "7")


@pytest.fixture(scope="module")
def asked():
    return {domain: asked_of(domain) for domain in ("elements", "geography", "symbols")}


def changed(questions, mode):
    return {one.question: one for one in apply_probe(questions, mode, "none", 0, {}, "s")}


def test_texts_are_as_documented(asked):
    prompts = {
        (mode, one.relation, one.template): one.prompt
        for mode in ("alias", "multi-hop")
        for one in changed(asked["elements"], mode).values()
        if one.entity == "iron"
    }
    assert prompts["alias", "atomic-number", 0] == "The atomic number of Fe is"
    assert prompts["multi-hop", "symbol", 0] == "The chemical symbol for the element with atomic number 26 is"
    assert prompts["multi-hop", "series", 0] == "The element with atomic number 26 is classified as a"
    following = "The atomic number of the element that follows manganese in the periodic table is"
    assert prompts["multi-hop", "atomic-number", 0] == following
    countries = {
        (one.relation, one.template): one.prompt
        for one in changed(asked["geography"], "multi-hop").values()
        if one.entity == "Norway"
    }
    assert countries["continent", 0] == "The country whose capital is Oslo is a country in"
    assert countries["capital", 0] == "The capital of the country whose people are called Norwegian is"


@pytest.mark.parametrize(
    ("domain", "mode"), [("elements", "alias"), ("elements", "multi-hop"), ("geography", "multi-hop")]
)
def test_a_description_neither_names_the_entity_nor_holds_the_answer(asked, domain, mode):
    """Words that stand in the plain question, too, are not the description's."""
    plain = {one.question: one for one in asked[domain]}
    described = changed(asked[domain], mode)
    assert len(described) > len(plain) / 3
    for name, one in described.items():
        before, new = plain[name].prompt.lower().split(), one.prompt.lower().split()
        added = " ".join(word for word in new if word not in before)
        assert one.prompt != plain[name].prompt and one.entity.lower() not in added.split()
        assert one.choices[one.answer].lower() not in added.split()
        assert (one.choices, one.answer, one.fact) == (plain[name].choices, plain[name].answer, plain[name].fact)


def test_a_description_fits_one_entity(asked):
    for domain, mode in (("elements", "alias"), ("elements", "multi-hop"), ("geography", "multi-hop")):
        prompts = {}
        for one in changed(asked[domain], mode).values():
            prompts.setdefault((one.relation, one.template, one.prompt), set()).add(one.entity)
        assert all(len(entities) == 1 for entities in prompts.values())


def test_what_cannot_be_described_is_left_out_and_nothing_at_all_is_an_error(asked):
    assert len(elements()) == 118 and len(countries()) > 100
    relations = {one.relation for one in changed(asked["elements"], "alias").values()}
    assert "symbol" not in relations and "name" not in relations and "series" in relations
    assert not any(one.relation == "state-capital" for one in changed(asked["geography"], "multi-hop").values())
    with pytest.raises(DataError, match="no question can be asked in the mode multi-hop: leave"):
        changed(asked["symbols"], "multi-hop")
