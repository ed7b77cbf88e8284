"""What is built from published data sets, fetched and small: questions, texts, probes."""

import copy
import json
import re

import pandas
import pytest
import torch

from unlearning_robustness.data import benchmark
from unlearning_robustness.data.corpora import build_corpora
from unlearning_robustness.data.items import pieces
from unlearning_robustness.data.source_tables import Published, corpora_of
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

SPLITS = {"select": 1, "test": 2}
CORPORA = ["corpus", "document", "topic", "origin", "entity", "kind", "text"]


@pytest.fixture
def sources(tmp_path, published):
    """Fetched sources: MMLU's columns, WMDP's, texts and wikitext; with the benchmark that reads them."""
    words = [f"virus toxin spore{n % 7} agent number {n} is described here at some length" for n in range(40)]
    plain = [f" Rivers and castles{n % 5} of the land {n} are described here at some length \n" for n in range(60)]
    lines = [line for n, text in enumerate(plain) for line in (f" = Article {n // 2} = \n", text)]
    tables = {
        "mmlu/test": published,
        "wmdp/bio": published.drop(columns="subject").assign(question=published["question"] + " bio"),
        "texts/forget": pandas.DataFrame({"text": words}),
        "wikitext/test": pandas.DataFrame({"text": lines}),
    }
    for place, table in tables.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        table.to_parquet(tmp_path / f"{place}.parquet")
    readers = {"mmlu": "mmlu", "wmdp": "wmdp", "texts": "wmdp", "wikitext": "wikitext"}
    return Published(readers, [str(tmp_path / source) for source in readers])


EVERY = {"without_subjects": [], "max_facts": {}, "splits": SPLITS}
SETTINGS = {
    "seed": 3,
    "distractors": 3,
    "neighbour_minimum": 0,
    "forget": {**EVERY, "items": ["wmdp/bio"]},
    "retain": {**EVERY, "items": ["mmlu/test"], "without_subjects": ["virology"], "max_facts": {"test": 5}},
    "neighbour": {**EVERY, "items": ["mmlu/test"], "subjects": ["virology"], "splits": {"test": 1}},
    "texts": {"forget": ["texts/forget"], "retain": ["wikitext/test"]},
    "corpora": {
        "minimum_characters": 30, "forget_prose_documents": 20, "retain_documents": 30, "held_out_every": 4,
        "relearn": "held-out", "perplexity_documents": 5, "characteristic_ngrams": 4,
    },
}  # fmt: skip


def test_a_benchmark_of_published_questions_asks_all_and_counts_the_known(sources, tiny_model, tiny_tokenizer):
    table, report = benchmark.build(tiny_model, tiny_tokenizer, SETTINGS, 8, sources)
    assert table.groupby("role").size().to_dict()["forget"] == 30
    assert set(table.query("role == 'neighbour'")["relation"]) == {"virology"}
    assert "virology" not in set(table.query("role == 'retain'")["relation"])
    assert len(table.query("role == 'retain' and split == 'test'")) == 5
    scorer = QuestionScorer(tiny_tokenizer, table.query("role == 'forget'"), 8)
    assert report["forget"]["facts_known"] == round(30 * scorer.accuracy(tiny_model))
    assert report["forget"]["accuracy_of_all"] == round(scorer.accuracy(tiny_model), 4)
    assert set(table["decided_by"]) == {"sum"}
    named, _ = benchmark.build(tiny_model, tiny_tokenizer, {**SETTINGS, "decided_by": "byte-mean"}, 8, sources)
    assert set(named["decided_by"]) == {"byte-mean"}
    with pytest.raises(DataError, match=r"subjects: no question is about 'alchemy'; .*there are: high school biology"):
        sources.questions({**SETTINGS["neighbour"], "subjects": ["alchemy"]}, "neighbour", "0", 3)


def test_shots_are_the_first_of_the_subject_with_their_letters(sources, published):
    entry = {**SETTINGS["retain"], "shots": {"count": 2, "items": ["mmlu/test"]}}
    asked = {question.relation: question.prompt for question in sources.questions(entry, "retain", "0", 3)}
    first, second = published[published["subject"] == "world_religions"].head(2).to_dict("records")
    shown = [
        f"{row['question']}\n" + "\n".join(f"{a}. {b}" for a, b in zip("ABCD", row["choices"], strict=True))
        + f"\nAnswer: {'ABCD'[row['answer']]}\n\n"
        for row in (first, second)
    ]  # fmt: skip
    intro = "The following are multiple choice questions (with answers) about world religions.\n\n"
    assert asked["world religions"].startswith(intro + "".join(shown) + "Question ")
    with pytest.raises(DataError, match=r"there are 10 questions about .*, not 11"):
        sources.questions({**entry, "shots": {"count": 11, "items": ["mmlu/test"]}}, "retain", "0", 3)


def test_corpora_of_published_texts_share_no_document(sources):
    table = build_corpora(SETTINGS, "3", sources)
    assert list(table.columns) == CORPORA
    assert table.groupby("corpus").size().to_dict() == {
        "forget": 20, "retain": 30, "relearn": 10, "perplexity": 5, "refusal": 4
    }  # fmt: skip
    entities = table.groupby("corpus")["entity"].agg(set)
    assert not entities["forget"] & entities["relearn"]
    assert not entities["retain"] & entities["perplexity"]
    assert table["text"].is_unique
    with pytest.raises(DataError, match="there are 30 forget documents, not 99"):
        build_corpora({**SETTINGS, "corpora": {**SETTINGS["corpora"], "forget_prose_documents": 99}}, "3", sources)


def test_long_texts_come_in_pieces_of_which_one_documents_stay_together(sources):
    whole = build_corpora(SETTINGS, "3", sources)
    cut = {**SETTINGS["corpora"], "longest_characters": 40, "forget_prose_documents": 24}
    table = build_corpora({**SETTINGS, "corpora": cut}, "3", sources)
    texts = table[table["corpus"].isin(["forget", "relearn"])]["text"]
    assert whole["text"].str.len().max() > 40 >= texts.str.len().max() and texts.str.len().min() >= 30
    entities = table.groupby("corpus")["entity"].agg(set)
    assert not entities["forget"] & entities["relearn"]


def test_a_text_is_cut_behind_a_line_else_behind_a_word_else_anywhere():
    assert pieces("one two\nthree four", 14) == ["one two", "three four"]
    assert pieces("one two three", 9) == ["one two", "three"]
    assert pieces("abcdefgh", 3) == ["abc", "def", "gh"]
    assert pieces("short", 5) == ["short"] and pieces("", 5) == []
    text = "\n".join(f"line {number} of a long text" for number in range(50))
    assert all(0 < len(piece) <= 100 for piece in pieces(text, 100))
    assert "".join(pieces(text, 100)).replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")


def test_an_attacker_with_all_forget_texts_leaves_none_out_of_unlearning(sources):
    everything = {**SETTINGS["corpora"], "relearn": "forget", "forget_prose_documents": 40}
    table = build_corpora({**SETTINGS, "corpora": everything}, "3", sources)
    texts = table.groupby("corpus")["text"].agg(set)
    assert len(texts["forget"]) == 40 and texts["forget"] == texts["relearn"]


def texts_from(folder, reader, forget, **changes):
    """The corpora of a benchmark that forgets these rows, of a file of one's own."""
    folder.mkdir(exist_ok=True)
    retain = [{"text": f"A plain text number {n}", "question": f"Plain {n}?", "answer": n} for n in range(60)]
    for name, rows in (("forget", forget), ("retain", retain)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    files = {"forget": "forget.jsonl", "retain": "retain.jsonl"}
    settings = {"path": str(folder), "files": files, "license": "MIT", "note": "made by a test"}
    fetch(settings, folder / "own", folder / "scratch")
    small = {"minimum_characters": 1, "forget_prose_documents": 2, "retain_documents": 2, "perplexity_documents": 1}
    corpora = SETTINGS["corpora"] | small | {"held_out_every": 8} | changes
    entry = {"texts": {"forget": ["own/forget"], "retain": ["own/retain"]}, "corpora": corpora}
    return build_corpora(entry, "1", Published({"own": reader}, [str(folder / "own")]))


def test_three_texts_are_enough_and_all_must_not_be_one(tmp_path):
    three = texts_from(tmp_path / "three", "wmdp", [{"text": "one text"}, {"text": "two"}, {"text": "three"}])
    assert three["corpus"].value_counts()[["forget", "relearn"]].tolist() == [2, 1]
    equal = [{"text": text} for text in ("Equal text", "equal  text", "EQUAL TEXT")]
    with pytest.raises(DataError, match="own/forget: all forget texts are of one entity, which is kept from training"):
        texts_from(tmp_path / "equal", "wmdp", equal)
    assert len(texts_from(tmp_path / "equal", "wmdp", equal, relearn="forget").query("corpus == 'relearn'")) == 2


@pytest.mark.parametrize(
    ("reader", "rows", "said"),
    [
        ("wmdp", [{"text": None}, {"text": "a b"}], "own/forget: forget.jsonl, line 1: the text is null: write it"),
        ("muse", [{"text": "a b"}, {"text": None}], "own/forget: forget.jsonl, line 2: the text is null: write it"),
        (
            "tofu",
            [{"question": None, "answer": "x"}],
            "own/forget: forget.jsonl, line 1: the question is null: write it",
        ),
        ("tofu", [{"question": "x", "answer": None}], "own/forget: forget.jsonl, line 1: the answer is null: write it"),
        ("wmdp", [{"text": "a b"}, {"text": " \n "}], "own/forget: forget.jsonl, line 2: the text is empty: write it"),
        ("wikitext", [{"text": "no title"}, {"text": "nor here"}], "all forget texts are of one entity"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(reader, rows, said, tmp_path):
    with pytest.raises(DataError, match=said):
        texts_from(tmp_path / "in", reader, rows)


def test_numbers_among_questions_and_answers_are_texts(tmp_path):
    rows = [{"question": number, "answer": number + 0.5} for number in range(60)]
    texts = texts_from(tmp_path / "in", "tofu", rows).query("corpus == 'forget'")["text"]
    assert all(re.fullmatch(r"Question: (\d+)\nAnswer: \1\.5", text) for text in texts)


def test_every_part_gives_as_many_documents_whatever_its_size():
    class Two:
        """Ninety texts of one part and twelve of another."""

        def documents(self, paths, name, least, longest=None):
            rows = [(part, f"{part}-{n}") for part, size in (("large/a", 90), ("small/a", 12)) for n in range(size)]
            frame = pandas.DataFrame(rows, columns=["part", "entity"]).assign(kind="article", corpus=name, origin="")
            return frame.assign(text=name + " " + frame["entity"])

    settings = SETTINGS["corpora"] | {"forget_prose_documents": 11, "retain_documents": 4, "perplexity_documents": 3}
    found = corpora_of(Two(), {"forget": [], "retain": []}, settings, "1")
    from_small = {name: sum("small" in row["entity"] for row in rows) for name, rows in found.items()}
    assert {name: len(rows) for name, rows in found.items() if name != "relearn"} == {
        "forget": 11, "retain": 4, "perplexity": 3
    }  # fmt: skip
    assert from_small["forget"] == 5 and from_small["retain"] == 2 and from_small["perplexity"] == 1
    assert from_small["relearn"] * 2 == len(found["relearn"]) > 0
    assert [row["entity"][:5] for row in found["forget"]] != sorted(row["entity"][:5] for row in found["forget"])
    with pytest.raises(DataError, match="forget documents, not 20"):
        corpora_of(Two(), {"forget": [], "retain": []}, settings | {"forget_prose_documents": 40}, "1")


def test_probes_of_published_questions_take_their_words_from_the_texts(sources, tiny_model, tiny_tokenizer):
    table, _ = benchmark.build(tiny_model, tiny_tokenizer, SETTINGS, 8, sources)
    plain = {"mode": "plain", "insert": "none", "count": 0, "vocabulary": "entities", "roles": ["retain"]}
    option = {**plain, "mode": "option", "insert": "forget", "count": 1, "vocabulary": "ngrams"}
    probes = {"plain": plain, "option": option, "neutral": {**option, "insert": "neutral"}}
    asked = table.query("split == 'test'")
    found = benchmark.build_probes(asked, tiny_tokenizer, SETTINGS, probes, build_corpora(SETTINGS, "3", sources))
    parts = {name: part.set_index("question")["prompt"] for name, part in found.groupby("probe")}
    for question, row in table.set_index("question").loc[parts["plain"].index].iterrows():
        before, after, neutral = (parts[name][question].split("\n") for name in ("plain", "option", "neutral"))
        moved = [place for place in range(len(before)) if before[place] != after[place]]
        assert len(moved) == 1
        assert moved[0] - 3 in set(range(4)) - {row["answer"]}
        assert after[moved[0]][:3] == before[moved[0]][:3]
        assert len(neutral[moved[0]]) == len(after[moved[0]])
        assert neutral[: moved[0]] == after[: moved[0]]


def test_listed_words_have_neutral_ones_of_equal_length_from_nouns_and_retain_texts(
    sources, tiny_model, tiny_tokenizer
):
    table, _ = benchmark.build(tiny_model, tiny_tokenizer, SETTINGS, 8, sources)
    probe = {"mode": "option", "count": 1, "vocabulary": "listed", "words": ["SARS-CoV-2"], "roles": ["retain"]}
    probes = {name: {**probe, "insert": name} for name in ("forget", "neutral")}
    asked = table.query("split == 'test'")
    found = benchmark.build_probes(asked, tiny_tokenizer, SETTINGS, probes, build_corpora(SETTINGS, "3", sources))
    parts = {name: list(part["prompt"]) for name, part in found.groupby("probe")}
    for forget, neutral in zip(parts["forget"], parts["neutral"], strict=True):
        assert "SARS-CoV-2" in forget and "SARS-CoV-2" not in neutral
        assert len(tiny_tokenizer.encode(forget)) == len(tiny_tokenizer.encode(neutral))


def test_a_benchmark_in_chat_asks_in_the_template_and_says_so(sources, tiny_model, tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = "{% for m in messages %}({{ m.role }}) {{ m.content }}\n{% endfor %}(assistant) "
    plain, _ = benchmark.build(tiny_model, tokenizer, SETTINGS, 8, sources)
    table, report = benchmark.build(tiny_model, tokenizer, {**SETTINGS, "chat": {}}, 8, sources)
    assert report["chat"] == {"before": "(user) ", "after": "\n(assistant) "}
    assert set(table["before"]) == {"(user) "} and set(table["after"]) == {"\n(assistant) "}
    assert table.drop(columns=["before", "after"]).equals(plain.drop(columns=["before", "after"]))
    whole = table.assign(prompt=table["before"] + table["prompt"] + table["after"], before="", after="")
    asked = QuestionScorer(tokenizer, table, 8).log_likelihoods(tiny_model)
    assert not torch.equal(asked, QuestionScorer(tokenizer, plain, 8).log_likelihoods(tiny_model))
    # The tiny tokenizer reads letters, so that a template's last blank belongs to the choice in both.
    spaced = QuestionScorer(tokenizer, whole.assign(prompt=whole["prompt"].str.removesuffix(" ")), 8)
    assert torch.allclose(asked, spaced.log_likelihoods(tiny_model), atol=1e-4)
