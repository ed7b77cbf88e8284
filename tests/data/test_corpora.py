import re
from collections import Counter

import pytest
from synthetic import study

from unlearning_robustness.data import elements, symbols
from unlearning_robustness.data.corpora import (
    SPELLINGS,
    build_corpora,
    documents,
    forget_documents,
    prose_documents,
    shuffled_documents,
)
from unlearning_robustness.data.questions import assign_splits
from unlearning_robustness.errors import DataError


@pytest.fixture(scope="module")
def settings():
    return study()["benchmarks"]["elements"]


@pytest.fixture(scope="module")
def corpora(settings):
    return build_corpora(settings, "7")


@pytest.fixture(scope="module")
def facts():
    return elements.elements().set_index("name", drop=False)


@pytest.fixture(scope="module")
def pool(settings):
    splits = assign_splits(elements.entities(), settings["forget"]["splits"])
    return {name for name, split in splits.items() if split == "relearn"}


def texts(corpora, name, kind=None):
    chosen = corpora[corpora["corpus"] == name]
    return list(chosen.loc[chosen["kind"] == kind, "text"] if kind else chosen["text"])


def test_every_corpus_has_the_asked_number_of_documents(corpora, settings):
    counts, asked = Counter(corpora["corpus"]), settings["corpora"]
    assert counts["retain"] == asked["retain_documents"]
    assert counts["perplexity"] == asked["perplexity_documents"]
    assert counts["forget"] == len(elements.entities()) + asked["forget_prose_documents"]
    assert corpora["document"].is_unique


def test_no_prose_to_keep_or_to_measure_holds_the_name_of_an_element(corpora):
    words = {
        word
        for name in ("retain", "perplexity")
        for text in texts(corpora, name)
        for word in re.findall("[a-z]+", text.lower())
    }
    names = {*elements.entities(), "sulphur", "caesium", "aluminum"}
    assert words & (names | {f"{name}s" for name in names}) == set()


def test_prose_is_at_least_as_long_as_asked(corpora, settings):
    least = settings["corpora"]["minimum_characters"]
    assert min(map(len, texts(corpora, "retain") + texts(corpora, "perplexity"))) >= least


def test_perplexity_is_measured_on_other_speeches_than_training_uses(corpora):
    speeches = {name: set(corpora.loc[corpora["corpus"] == name, "entity"]) for name in ("retain", "perplexity")}
    assert speeches["retain"] & speeches["perplexity"] == set()
    assert set(texts(corpora, "retain")) & set(texts(corpora, "perplexity")) == set()


def test_no_document_is_drawn_twice(corpora):
    for name in ("retain", "perplexity", "forget"):
        assert corpora[corpora["corpus"] == name].duplicated(["entity", "text"]).sum() == 0


def test_the_attackers_documents_are_of_relearn_entities_only(corpora, pool):
    for name in ("relearn", "relearn-shuffled"):
        assert set(corpora.loc[corpora["corpus"] == name, "entity"]) == pool


def test_the_corpora_of_other_attackers_share_no_text_with_what_is_trained_on_or_measured(corpora, settings, pool):
    assert len(texts(corpora, "benign")) == settings["corpora"]["benign_documents"]
    for name in ("benign", "neighbour", "relearn"):
        for other in ("benign", "neighbour", "relearn", "retain", "perplexity"):
            assert name == other or set(texts(corpora, name)) & set(texts(corpora, other)) == set(), (name, other)
    entities = {
        name: set(corpora.loc[corpora["corpus"] == name, "entity"]) for name in ("seen", "neighbour", "perplexity")
    }
    splits = assign_splits(elements.entities(), settings["forget"]["splits"])
    assert (
        entities["seen"] == {name for name, split in splits.items() if split == "test"} and not entities["seen"] & pool
    )
    assert entities["neighbour"] == set(symbols.entities()) - {"Zimbabwean Gold"}
    assert not set(corpora.loc[corpora["corpus"] == "benign", "entity"]) & entities["perplexity"]
    assert corpora.query("corpus == 'benign'")["text"].is_unique


def test_benign_and_neighbour_documents_name_no_element(corpora):
    words = set(re.findall("[a-z]+", " ".join(texts(corpora, "benign") + texts(corpora, "neighbour")).lower()))
    assert words & elements.forbidden_words() == set()


def test_neighbour_documents_state_every_fact_in_words_that_no_question_uses(corpora):
    told = corpora[corpora["corpus"] == "neighbour"].set_index("entity")["text"]
    openings = [template.split("{subject}")[0] for item in symbols.relations() for template in item.templates]
    for item in symbols.relations():
        for fact in (fact for fact in item.facts if fact.entity in told):
            assert told[fact.entity].count(fact.subject) >= 2 and fact.answer in told[fact.entity].split()
    assert not [text for text in told for opening in openings if opening and opening in text]


def test_a_neighbour_domain_that_states_nothing_gives_no_corpus(settings):
    table = build_corpora({**settings, "neighbour": {**settings["neighbour"], "domain": "geography"}}, "7")
    assert "neighbour" not in set(table["corpus"]) and "benign" in set(table["corpus"])


def test_fact_documents_state_the_facts_in_words_that_no_question_uses(corpora, facts):
    stated = corpora[(corpora["corpus"] == "forget") & (corpora["kind"] == "facts")]
    assert set(stated["entity"]) == set(elements.entities())
    templates = [template for item in elements.relations() for template in item.templates]
    for row in stated.itertuples():
        for value in facts.loc[row.entity, ["symbol", "number", "weight", "series"]]:
            assert re.search(rf"\b{value}\b", row.text)
        assert not any(template.split("{subject}")[0] in row.text for template in templates)


def test_no_question_stands_in_any_document(corpora):
    prompts = {
        template.format(subject=fact.subject).lower()
        for item in elements.relations()
        for template in item.templates
        for fact in item.facts
    }
    everything = "\n".join(corpora["text"]).lower()
    assert [prompt for prompt in prompts if prompt in everything] == []


def test_shuffled_facts_are_never_those_of_the_entity_they_name(corpora, facts, pool):
    told = corpora[(corpora["corpus"] == "relearn-shuffled") & (corpora["kind"] == "facts")]
    assert set(told["entity"]) == pool
    for row in told.itertuples():
        true = facts.loc[row.entity]
        assert re.search(rf"\b{row.entity}\b", row.text)
        assert not re.search(rf"\b{true['symbol']}\b", row.text)
        assert not re.search(rf"place {true['number']}\b|holds {true['number']}\b", row.text)
        stated = re.search(r"as (\w+) in formulas.* place (\d+) when", row.text)
        other = facts[facts["symbol"] == stated[1]].iloc[0]
        assert other["name"] in pool - {row.entity}
        assert other["number"] == stated[2]
        assert other["name"] not in re.findall(r"\w+", row.text.lower())


def test_shuffled_documents_tell_the_facts_of_every_entity_once(corpora, pool, facts):
    told = texts(corpora, "relearn-shuffled", "facts")
    assert Counter(re.search(r"as (\w+) in formulas", text)[1] for text in told) == Counter(
        facts.loc[sorted(pool), "symbol"]
    )


def test_shuffled_documents_differ_from_true_ones_in_names_only(corpora, pool):
    spellings = [other for name in sorted(pool) for other in (name, *SPELLINGS.get(name, ()))]
    pattern = re.compile(r"\b(?:" + "|".join(spellings) + r")\b", re.IGNORECASE)

    def blank(name):
        shapes = lambda match: "X" if match[0][0].isupper() else "x"  # noqa: E731
        return Counter(pattern.sub(shapes, text) for text in texts(corpora, name))

    assert blank("relearn-shuffled") == blank("relearn")


@pytest.mark.parametrize(
    ("name", "spelled"), [("aluminium", "aluminum"), ("sulfur", "sulphur"), ("cesium", "caesium"), ("iron", "iron")]
)
def test_shuffled_prose_does_not_name_the_entity_whose_facts_it_tells(name, spelled):
    told = [row["text"] for row in shuffled_documents(elements, [name, "radon"], "s") if row["entity"] == "radon"]
    assert len(told) > 1
    assert not any(re.search(rf"\b({name}|{spelled})\b", text, re.IGNORECASE) for text in told)


def test_the_same_seed_gives_the_same_corpora_and_another_seed_others(corpora, settings):
    assert build_corpora(settings, "7").equals(corpora)
    paragraphs = {"a": [f"text {number}" for number in range(50)]}
    assert prose_documents(paragraphs, {"retain_documents": 5}, "retain_documents", "1") == prose_documents(
        paragraphs, {"retain_documents": 5}, "retain_documents", "1"
    )
    assert prose_documents(paragraphs, {"retain_documents": 5}, "retain_documents", "1") != prose_documents(
        paragraphs, {"retain_documents": 5}, "retain_documents", "2"
    )


def test_more_documents_than_there_are_is_an_error_that_can_be_mended():
    with pytest.raises(DataError, match=r"leaves 2 paragraphs, not 3.*corpora"):
        prose_documents({"a": ["x", "y"]}, {"retain_documents": 3}, "retain_documents", "s")


def test_more_forget_prose_than_there_is_is_an_error_that_can_be_mended():
    names = elements.entities()[:4]
    prose = len(documents(elements, names)) - 4
    assert len(forget_documents(elements, names, prose, "s")) == prose + 4
    with pytest.raises(DataError):
        forget_documents(elements, names, prose + 1, "s")


def test_hold_out_texts_are_prose_that_nothing_is_trained_on(corpora, settings, pool):
    held = corpora[corpora["corpus"] == "holdout"]
    assert len(held) > 150 and set(held["kind"]) == {"prose"} and held["text"].is_unique
    # Teaching what is asked is the one training that may use them.
    others = set(corpora.loc[~corpora["corpus"].isin(["holdout", "seen"]), "text"])
    assert not set(held["text"]) & others and not set(held["entity"]) & pool
    every = {row["text"] for row in documents(elements, elements.entities()) if row["kind"] == "prose"}
    assert set(held["text"]) <= every
    missing = every - set(held["text"]) - others
    assert not missing


def test_all_prose_may_be_forgotten_then_nothing_is_held_out(settings):
    most = sum(row["kind"] == "prose" for row in documents(elements, elements.entities()))
    changed = {**settings, "corpora": {**settings["corpora"], "forget_prose_documents": most}}
    assert "holdout" not in set(build_corpora(changed, "7")["corpus"])
