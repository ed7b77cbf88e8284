"""Generated worlds: drawn by their seed, balanced, and refused where a model of them would measure nothing."""

from collections import Counter

import pytest

from unlearning_robustness.data.neutral_nouns import NEUTRAL_NOUNS
from unlearning_robustness.data.probes import matched_words
from unlearning_robustness.data.world import ROLES, World
from unlearning_robustness.data.world_check import check_models
from unlearning_robustness.data.world_corpora import renamed, world_corpora
from unlearning_robustness.data.world_tokenizer import train_tokenizer
from unlearning_robustness.data.world_words import STATEMENTS, TEMPLATES
from unlearning_robustness.errors import DataError

WORLD = {
    "seed": 0, "entities": {"forget": 16, "retain": 12, "neighbour": 8}, "attributes": 4, "values": 4, "overlap": 0.5,
    "documents": 6, "stated": 2, "asides": 0.3, "mentions": 40, "known": 0.95, "difference": 0.02, "floor": 0.3,
}  # fmt: skip
CORPORA = {
    "forget_prose_documents": 20, "retain_documents": 20, "perplexity_documents": 4, "benign_documents": 10,
    "held_out_every": 6,
}  # fmt: skip
BENCHMARK = {
    "world": WORLD,
    "corpora": CORPORA,
    "forget": {"domain": "world", "splits": {"relearn": 1, "select": 1, "test": 2}},
}


def texts_of(world):
    return [row["text"] for role in ROLES for row in world.documents(role, world.domains[role].entities())]


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    again, other = World(dict(WORLD)), World(WORLD | {"seed": 1})
    assert texts_of(World(WORLD)) == texts_of(again) != texts_of(other)
    assert not set(World(WORLD).domains["forget"].names) & set(other.domains["forget"].names)


def test_every_name_is_of_one_entity_and_every_value_equally_frequent():
    world = World(WORLD)
    names = [name for domain in world.domains.values() for name in domain.names]
    assert len(names) == len(set(names)) == 36
    for domain in world.domains.values():
        for relation in domain.relations():
            counted = Counter(fact.answer for fact in relation.facts)
            assert set(counted.values()) == {len(domain.names) // 4}


def test_the_neighbour_shares_as_many_attributes_as_the_overlap_says():
    for overlap, shared in ((0.0, 0), (0.5, 2), (1.0, 4)):
        forget, neighbour = (
            World(WORLD | {"overlap": overlap}).domains[role].attributes for role in ("forget", "neighbour")
        )
        assert len(forget.keys() & neighbour.keys()) == shared and len(neighbour) == 4


def test_documents_state_facts_of_their_entity_in_wordings_that_no_question_uses():
    world = World(WORLD)
    domain = world.domains["forget"]
    stated = {name: {text for wordings in domain.sentences[name] for text in wordings} for name in domain.names}
    for row in world.documents("forget", domain.entities()):
        sentences = [text for text in stated[row["entity"]] if text in row["text"]]
        assert len(sentences) == WORLD["stated"]
    beginnings = {text.split("{answer}")[0].strip() for text in STATEMENTS}
    assert not beginnings & set(TEMPLATES)


def test_corpora_are_of_the_entities_that_their_use_allows():
    parts = world_corpora(BENCHMARK, "0")
    entities = {name: {row["entity"] for row in rows} for name, rows in parts.items()}
    assert not entities["relearn"] & entities["seen"] and not entities["retain"] & entities["perplexity"]
    assert len(parts["forget"]) == 20 and len(parts["benign"]) == 10
    assert not {row["text"] for row in parts["holdout"]} & {row["text"] for row in parts["forget"]}
    with pytest.raises(DataError, match=r"lower benchmarks\.\*\.corpora\.retain_documents"):
        world_corpora(BENCHMARK | {"corpora": CORPORA | {"retain_documents": 1000}}, "0")


def test_renamed_documents_are_about_another_entity_throughout():
    world = World(WORLD)
    names = world.domains["forget"].entities()[:3]
    rows, others = world.documents("forget", names), renamed(world.documents("forget", names), names)
    for row, other in zip(rows, others, strict=True):
        assert other["entity"] == names[(names.index(row["entity"]) + 1) % 3] and row["entity"] not in other["text"]
        assert other["text"] == row["text"].replace(row["entity"], other["entity"])


def test_every_word_is_one_token_and_neutral_nouns_match_names():
    world = World(WORLD)
    tokenizer = train_tokenizer(texts_of(world), world, 4000)
    again = train_tokenizer(texts_of(world), world, 4000)
    assert tokenizer.get_vocab() == again.get_vocab()
    assert {len(tokenizer.encode(f" {word}")) for word in world.vocabulary()} == {1}
    matched = matched_words(tokenizer, world.domains["forget"].entities())
    assert set(matched) == set(world.domains["forget"].names)
    assert all(set(words) == set(NEUTRAL_NOUNS) for words in matched.values())
    with pytest.raises(DataError, match=r"raise models\.\*\.generated\.shape\.vocab_size"):
        train_tokenizer(texts_of(world), world, 400)


def manifest(forget, retain, forget_facts=True, seed=0, **changes):
    known = {"forget": forget, "retain": retain, "neighbour": 0.97}
    shared = {"first_weights": f"w{seed}", "order": f"o{seed}", "shared_documents": "d"}
    return {"settings": {"forget_facts": forget_facts, "seed": seed}, "known": known, **shared, **changes}


SOUND = {"world-0": manifest(0.98, 0.98), "retrained": manifest(0.26, 0.97, False),
         "again": manifest(0.24, 0.98, False, seed=1)}  # fmt: skip


def test_sound_models_are_taken():
    check_models("world-0", WORLD, SOUND)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"world-0": manifest(0.9, 0.98)}, "world-0: answers 90.0% of the forget questions, and .* is 95.0%"),
        ({"again": manifest(0.24, 0.94, False, 1)}, "again: answers 94.0% of the retain questions"),
        ({"retrained": manifest(0.4, 0.97, False)}, "40.0% of the forget questions, whose facts it never read"),
        ({"retrained": manifest(0.26, 0.955, False)}, "retrained and world-0: know 95.5% and 98.0% of the retain"),
        ({"retrained": manifest(0.26, 0.97, False, order="x")}, "retrained and world-0: differ in their order"),
        ({"retrained": manifest(0.26, 0.97, False, first_weights="x")}, "differ in their first weights"),
    ],
)
def test_models_that_would_measure_nothing_are_refused_in_one_line(changed, message):
    with pytest.raises(DataError, match=message) as error:
        check_models("world-0", WORLD, SOUND | changed)
    assert "\n" not in str(error.value)
