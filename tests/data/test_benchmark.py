import copy
import zlib

import pandas
import pytest
from synthetic import study

from unlearning_robustness.data import benchmark, elements, known_facts
from unlearning_robustness.data.benchmark import build, build_probes
from unlearning_robustness.errors import DataError


class Letters:
    def encode(self, text, add_special_tokens=True):
        return list(range(-(-len(text) // 3)))


@pytest.fixture
def settings():
    return copy.deepcopy(study()["benchmarks"]["elements"]) | {"options": "random"}


@pytest.fixture
def known(monkeypatch):
    """A model that knows the facts for which ``rule(row)`` holds."""

    def knows(rule):
        class Scorer:
            def __init__(self, tokenizer, table, batch_size):
                self.table = table

            def records(self, model, progress):
                return self.table.assign(correct=[bool(rule(row)) for row in self.table.itertuples()])

        for module in (benchmark, known_facts):
            monkeypatch.setattr(module, "QuestionScorer", Scorer)

    return knows


def half(text):
    return zlib.crc32(text.encode()) % 2 == 0


def test_only_facts_known_in_every_template_stay(known, settings):
    known(lambda row: half(row.fact) or row.template == 0)
    settings["forget"]["templates_asked"] = 2
    table, report = build(None, None, settings, 8)
    assert all(half(fact) for fact in table["fact"])
    forget = table[table["role"] == "forget"]
    assert set(forget.groupby("fact").size()) == {2}
    assert report["forget"]["facts_known"] == forget["fact"].nunique()
    assert report["forget"]["facts_asked"] == 847
    assert 0.7 < report["forget"]["accuracy_of_all"] < 0.8
    assert report["forget"]["redrawn_accuracy"] == 1.0


def test_facts_and_templates_asked_are_limited_as_configured(known, settings):
    known(lambda row: True)
    table, report = build(None, None, settings, 8)
    settings["neighbour"]["max_facts"] = {"test": 100}
    table, report = build(None, None, settings, 8)
    counts = table.groupby(["role", "split"])["fact"].nunique()
    assert (counts["retain", "select"], counts["retain", "test"], counts["neighbour", "test"]) == (100, 240, 100)
    assert set(table[table["role"] != "forget"].groupby("fact").size()) == {1}
    assert {(row["role"], row["split"]): row["facts"] for row in report["counts"]} == counts.to_dict()
    assert table["question"].is_unique


def test_entities_of_two_splits_are_disjoint(known, settings):
    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    for _, part in table.groupby("role"):
        assert set(part.groupby("entity")["split"].nunique()) == {1}


def test_lucky_guesses_show_in_the_redrawn_accuracy(known, settings):
    seen = set()

    def first_time(row):
        new = row.question not in seen
        seen.add(row.question)
        return new or half(row.question)

    known(first_time)
    _, report = build(None, None, settings, 8)
    assert report["forget"]["facts_known"] == 847
    assert 0.4 < report["forget"]["redrawn_accuracy"] < 0.6


@pytest.mark.parametrize("facts", [39, 40])
def test_a_neighbour_domain_with_too_few_known_facts_is_dropped(known, settings, facts):
    settings["neighbour"]["max_facts"] = {}
    kept = set()

    def rule(row):
        if row.role == "neighbour" and len(kept) < facts:
            kept.add(row.fact)
        return row.role != "neighbour" or row.fact in kept

    known(rule)
    table, report = build(None, None, settings, 8)
    assert report["neighbour"]["facts_known"] == facts
    assert report["neighbour"]["dropped"] == (facts < settings["neighbour_minimum"])
    assert (table["role"] == "neighbour").sum() == (0 if facts < 40 else 40)


def test_a_neighbour_domain_of_which_nothing_is_known_is_dropped(known, settings):
    known(lambda row: row.role != "neighbour")
    table, report = build(None, None, settings, 8)
    assert report["neighbour"]["dropped"]
    assert set(table["role"]) == {"forget", "retain"}


@pytest.mark.parametrize("role", ["forget", "retain"])
def test_a_model_that_knows_nothing_is_refused(known, settings, role):
    known(lambda row: row.role != role)
    with pytest.raises(DataError, match=f"knows no {role} fact"):
        build(None, None, settings, 8)


def test_a_split_without_a_known_fact_is_refused(known, settings):
    known(lambda row: row.split != "select" or row.role != "forget")
    with pytest.raises(DataError, match="forget fact of split select"):
        build(None, None, settings, 8)


def test_every_probe_is_asked_of_its_roles_with_words_of_the_splits_own_entities(known, settings):
    known(lambda row: half(row.fact))
    table, _ = build(None, None, settings, 8)
    tested = table[table["split"] == "test"]
    config = study()
    probes = {name: config["probes"][name] for name in config["study"]["probes"]}
    asked = build_probes(tested, Letters(), settings, probes, pandas.DataFrame())
    expected = {}
    for name, probe in probes.items():
        for role in probe["roles"]:
            facts = tested[tested["role"] == role].groupby("fact").size()
            asked_facts = min(len(facts), probe.get("max_facts", len(facts)))
            expected[name, role] = asked_facts * facts.max() * probe["swaps"]
    assert asked.groupby(["probe", "role"]).size().to_dict() == expected
    plain = asked[(asked["probe"] == "plain")].drop(columns="probe").reset_index(drop=True)
    pandas.testing.assert_frame_equal(plain, tested.reset_index(drop=True))
    splits = benchmark.assign_splits(elements.entities(), settings["forget"]["splits"])
    prefixed = asked.loc[asked["probe"] == "forget-token", "prompt"].str.split(".").str[0].str.lower()
    assert {splits[word] for word in prefixed} == {"test"}


def test_questions_that_choose_an_attacks_strength_are_asked_plainly_only(known, settings):
    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    asked = table[table["split"].isin(["select", "test"])]
    names = ("plain", "forget-token")
    found = build_probes(
        asked, Letters(), settings, {name: study()["probes"][name] for name in names}, pandas.DataFrame()
    )
    sizes = found.groupby(["probe", "split"]).size()
    assert set(sizes.index) == {("plain", "select"), ("plain", "test"), ("forget-token", "test")}
    assert sizes["plain", "select"] == (asked["split"] == "select").sum()


def test_probes_that_ask_fewer_facts_ask_the_same_ones(known, settings):
    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    probe = {"mode": "plain", "insert": "none", "vocabulary": "entities", "count": 0, "roles": ["retain"]}
    probes = {name: probe | {"max_facts": most} for name, most in {"a": 30, "b": 30, "c": 10}.items()}
    asked = build_probes(table[table["split"] == "test"], Letters(), settings, probes, pandas.DataFrame())
    facts = {name: set(part["fact"]) for name, part in asked.groupby("probe")}
    assert [len(facts[name]) for name in "abc"] == [30, 30, 10]
    assert facts["c"] < facts["a"] == facts["b"]


def test_ngrams_are_of_forget_prose_and_their_matches_of_retain_text(known, settings):
    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    settings["corpora"]["characteristic_ngrams"] = 1
    texts = {"forget": ["xylo zinc"] * 3, "retain": ["near river", "near ocean", "near house"] * 2}
    rows = [{"corpus": name, "kind": "prose", "text": text} for name, part in texts.items() for text in part]
    rows += [{"corpus": "forget", "kind": "facts", "text": "its weight"}] * 5
    entry = {"mode": "prefix", "vocabulary": "ngrams", "count": 1, "roles": ["retain"]}
    probes = {name: entry | {"insert": name} for name in ("forget", "neutral")}
    tested = table[table["split"] == "test"]
    asked = build_probes(tested, Letters(), settings, probes, pandas.DataFrame(rows))
    first = {name: set(part["prompt"].str.split(".").str[0]) for name, part in asked.groupby("probe")}
    assert first["forget"] == {"Xylo"} and first["neutral"] == {"Near", "River", "Ocean", "House"}


def test_listed_words_are_taken_as_they_are_and_their_matches_are_nouns_and_runs_of_retain_words(known, settings):
    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    rows = [{"corpus": "retain", "kind": "prose", "text": "a river near the sea. 12 hills"}]
    entry = {"mode": "prefix", "vocabulary": "listed", "words": ["SARS-CoV-2"], "count": 1, "roles": ["retain"]}
    probes = {name: entry | {"insert": name} for name in ("forget", "neutral")}
    tested = table[table["split"] == "test"]
    asked = build_probes(tested, Letters(), settings, probes, pandas.DataFrame(rows))
    first = {name: set(part["prompt"].str.split(". ", regex=False).str[0]) for name, part in asked.groupby("probe")}
    # Of its length inside a sentence and at its beginning, as this tokenizer counts.
    assert first["forget"] == {"SARS-CoV-2"} and "River near" in first["neutral"]
    assert {len(Letters().encode(word)) for word in first["neutral"]} == {4} and "Toothbrush" in first["neutral"]


def test_a_word_that_the_tokenizer_cannot_write_is_refused(known, settings):
    class Unknowing(Letters):
        unk_token_id = 0

    known(lambda row: True)
    table, _ = build(None, None, settings, 8)
    probes = {"p": {"mode": "prefix", "insert": "forget", "vocabulary": "entities", "count": 1, "roles": ["retain"]}}
    with pytest.raises(DataError, match="no tokens for"):
        build_probes(table, Unknowing(), settings, probes, pandas.DataFrame())
