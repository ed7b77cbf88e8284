"""Readers of published data sets, on small tables made here in the published columns. No published text is kept."""

from pathlib import Path

import lm_eval
import numpy
import pandas
import pytest
import yaml
from jinja2 import Environment

from unlearning_robustness.config.origins import ITEM_READERS, OPEN_PARTS, QUESTION_READERS, TEXT_READERS
from unlearning_robustness.config.schema import schema
from unlearning_robustness.data import benchmark, mmlu, muse, tofu, wikitext, wmdp
from unlearning_robustness.data.corpora import build_corpora
from unlearning_robustness.data.items import lettered, pieces, prompt_of
from unlearning_robustness.data.published import READERS, Published, corpora_of
from unlearning_robustness.data.questions import from_table
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.questions import QuestionScorer

TASKS = Path(lm_eval.__file__).parent / "tasks"
SPLITS = {"select": 1, "test": 2}
OPTIONS = ["one", "two", "three", "four"]
CORPORA = ["corpus", "document", "entity", "kind", "text"]


def task(path):
    text = (TASKS / path).read_text()
    return yaml.load(text, type("Loader", (yaml.SafeLoader,), {}))


def harness_prompt(folder, name, item):
    template = task(f"{folder}/_default_template_yaml")["doc_to_text"]
    description = task(f"{folder}/{name}.yaml")["description"]
    return description + Environment().from_string(template).render(**item)


@pytest.mark.parametrize("path", sorted((TASKS / "mmlu" / "default").glob("mmlu_*.yaml")), ids=lambda path: path.stem)
def test_mmlu_is_asked_in_lm_evals_words(path):
    subject = task(path)["dataset_name"]
    row = {"question": " What is it? \n", "subject": subject, "choices": OPTIONS, "answer": 2}
    item = mmlu.items(pandas.DataFrame([row]), "test").iloc[0]
    ours = prompt_of(item["subject"], item["stem"], item["options"])
    assert ours == harness_prompt("mmlu/default", path.stem, row)


@pytest.mark.parametrize("part", ["bio", "chem", "cyber"])
def test_wmdp_is_asked_in_lm_evals_words(part):
    row = {"question": "Which?", "choices": OPTIONS, "answer": 1}
    item = wmdp.items(pandas.DataFrame([row]), part).iloc[0]
    ours = prompt_of(item["subject"], item["stem"], item["options"])
    assert ours == harness_prompt("wmdp", f"wmdp_{part}", row)
    template = task("wmdp/_default_template_yaml")
    assert template["doc_to_choice"] == ["A", "B", "C", "D"]


@pytest.fixture
def published():
    """MMLU's columns as parquet gives them: arrays of choices, thirty questions of three subjects, one asked twice."""
    subjects = ["virology", "high_school_biology", "world_religions"]
    rows = [
        {
            "question": f"Question {number % 29}?",
            "subject": subjects[number % 29 % 3],
            "choices": numpy.array([f"{number % 29}-{letter}" for letter in "abcd"], dtype=object),
            "answer": number % 4,
        }
        for number in range(30)
    ]
    return pandas.DataFrame(rows)


def test_items_become_questions_of_the_projects_table(published):
    table = lettered(mmlu.items(published, "test"), "retain", {"select": 1, "test": 2}, "0")
    questions = from_table(table)
    assert [question.answer for question in questions] == list(published["answer"])
    assert {question.choices for question in questions} == {("A", "B", "C", "D")}
    assert table["question"].is_unique
    assert questions[1].relation == "high school biology"
    assert set(table["role"]) == {"retain"}
    for question, row in zip(questions, published.itertuples(), strict=True):
        right = question.prompt.split("\n")[3 + question.answer]
        assert right == f"{'ABCD'[row.answer]}. {row.choices[row.answer]}"


def test_splits_have_their_shares_and_keep_a_repeated_question_together(published):
    table = lettered(mmlu.items(published, "test"), "retain", {"select": 1, "test": 2}, "0")
    assert table["entity"].nunique() == 29
    assert table.groupby("entity")["split"].nunique().max() == 1
    assert table.groupby("split")["entity"].nunique().to_dict() == {"select": 10, "test": 19}
    mixed = mmlu.items(published.sample(frac=1, random_state=1), "test")
    again = lettered(mixed, "retain", {"select": 1, "test": 2}, "0")
    assert table.groupby("entity")["split"].first().equals(again.groupby("entity")["split"].first())
    other = lettered(mmlu.items(published, "test"), "retain", {"select": 1, "test": 2}, "1")
    assert list(other["split"]) != list(table["split"])


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
    with pytest.raises(DataError, match="11 shots wanted, 10 questions about"):
        sources.questions({**entry, "shots": {"count": 11, "items": ["mmlu/test"]}}, "retain", "0", 3)


@pytest.mark.parametrize("change", [{"choices": OPTIONS[:3]}, {"answer": 4}, {"answer": -1}])
def test_an_item_without_four_options_or_answer_is_refused(change):
    frame = pandas.DataFrame([{"question": "x", "subject": "s", "choices": OPTIONS, "answer": 0, **change}])
    with pytest.raises(DataError, match="four options"):
        lettered(mmlu.items(frame, "test"), "retain", {"test": 1}, "0")


def test_forget_texts_are_the_long_ones():
    frame = pandas.DataFrame({"title": ["a", "b", "c"], "text": ["x" * 51, "y" * 50, None]})
    table = wmdp.documents(frame, "forget", 50)
    assert list(table.columns) == CORPORA
    assert list(table["text"]) == ["x" * 51]
    assert wmdp.documents(frame, "forget", 100).empty


def test_wikitext_paragraphs_know_their_article_and_headings_are_left_out():
    long = " The game began in the year " + "x" * 40 + " \n"
    lines = [
        "", " = Valkyria Chronicles = \n", "", long, " = = A heading that is long enough to pass as text itself = = \n",
        long, " short \n", " = Another = \n", long,
    ]  # fmt: skip
    table = wikitext.documents(pandas.DataFrame({"text": lines}), "retain", 50)
    assert list(table["entity"]) == ["Valkyria Chronicles", "Valkyria Chronicles", "Another"]
    assert list(table["text"]) == [long.strip()] * 3
    assert list(table.columns) == CORPORA


def test_tofu_has_twenty_questions_an_author():
    frame = pandas.DataFrame({"question": [f"q{n}?" for n in range(40)], "answer": [f"a{n}" for n in range(40)]})
    table = tofu.documents(frame, "forget")
    assert table["text"][3] == "Question: q3?\nAnswer: a3"
    assert list(table.groupby("entity").size()) == [20, 20]


def test_tofu_choices_are_the_right_answer_among_wrong_ones():
    wrong = numpy.array(["w1", "w2", "w3"], dtype=object)
    perturbed = pandas.DataFrame(
        [
            {"question": f"q{n}", "answer": "a", "paraphrased_answer": f"p{n}", "perturbed_answer": wrong}
            for n in range(30)
        ]
    )
    questions = from_table(tofu.questions(perturbed, "forget", SPLITS, "0", 3))
    assert [question.choices[question.answer] for question in questions] == [f"p{n}" for n in range(30)]
    assert {frozenset(question.choices) - {f"p{n}"} for n, question in enumerate(questions)} == {frozenset(wrong)}
    assert {question.answer for question in questions} == {0, 1, 2, 3}
    assert len({(question.entity, question.split) for question in questions}) == 2
    options = pandas.DataFrame([{"question": "q", "answer": "two", **{f"option{n + 1}": OPTIONS[n] for n in range(4)}}])
    (question,) = from_table(tofu.questions(options, "retain", {"test": 1}, "0", 3))
    assert question.choices[question.answer] == "two"
    assert sorted(question.choices) == sorted(OPTIONS)
    with pytest.raises(DataError, match="no option"):
        tofu.questions(options.assign(answer="five"), "retain", SPLITS, "0", 3)
    with pytest.raises(DataError, match="4 distractors wanted, TOFU has 3"):
        tofu.questions(perturbed, "forget", SPLITS, "0", 4)


def test_tofu_asks_every_role_with_the_answer_where_there_is_no_paraphrase():
    row = {"question": "Who? ", "answer": "She.", "perturbed_answer": numpy.array(["He.", "It."], dtype=object)}
    parts = {role: pandas.DataFrame([row, row]) for role in tofu.PARTS}
    parts["forget"] = parts["forget"].assign(paraphrased_answer="It was her.")
    table = tofu.open_questions(parts).set_index("item")
    assert len(table) == 8
    assert table.loc["forget/1", ["prompt", "truth", "paraphrase"]].tolist() == ["Who? ", "She.", "It was her."]
    assert table.loc["world-facts/0", "paraphrase"] == "She."
    assert table.loc["retain/0", "wrong"] == ["He.", "It."]
    assert tofu.documents(parts["forget"], "forget")["text"][0] == tofu.text_of(
        *table.loc["forget/0", ["prompt", "truth"]]
    )


def test_muse_texts_and_questions():
    told = muse.documents(pandas.DataFrame({"text": ["long", "l"]}), "forget", 2)
    assert list(told.columns) == CORPORA
    assert list(told["text"]) == ["long"]
    asked = pandas.DataFrame({"question": [f"q{n}?" for n in range(8)], "answer": [f"a{n % 6}" for n in range(8)]})
    questions = from_table(muse.questions(asked, "forget", SPLITS, "0", 3))
    assert questions[7].prompt == "Question: q7?\nAnswer:"
    assert [question.choices[question.answer] for question in questions] == list(asked["answer"])
    assert all(
        len(set(question.choices)) == 4 and set(question.choices) <= set(asked["answer"]) for question in questions
    )
    assert {question.split for question in questions} == set(SPLITS)
    with pytest.raises(DataError, match="6 distractors wanted, 5 other answers exist"):
        muse.questions(asked, "forget", SPLITS, "0", 6)


def test_muse_asks_beginnings_questions_behind_shots_and_texts():
    asked = pandas.DataFrame({"question": ["Who?"], "answer": ["She."]})
    texts = pandas.DataFrame({"text": ["one", "two"]})
    parts = dict.fromkeys(muse.PARTS, asked) | dict.fromkeys(("membership-forget", "membership-holdout"), texts)
    parts["verbatim-forget"] = pandas.DataFrame({"prompt": ["Once"], "gt": ["upon"]})
    table = muse.open_questions(parts).set_index(["part", "role", "item"])
    assert table.loc[("verbatim", "forget", "forget/0"), ["prompt", "truth"]].tolist() == ["Once", "upon"]
    assert table.loc[("knowledge", "retain", "retain/0"), ["prompt", "truth"]].tolist() == ["Who?", "She."]
    assert table.loc[("membership", "holdout", "holdout/1"), "truth"] == "two"
    assert len(table) == 9


@pytest.mark.parametrize(
    "read",
    [
        lambda frame: mmlu.items(frame, "test"),
        lambda frame: wmdp.items(frame, "bio"),
        lambda frame: wmdp.documents(frame, "forget", 1),
        lambda frame: wikitext.documents(frame, "retain", 1),
        lambda frame: tofu.documents(frame, "forget"),
        lambda frame: muse.documents(frame, "forget", 1),
        lambda frame: muse.questions(frame, "forget", SPLITS, "0", 3),
        lambda frame: muse.open_questions(dict.fromkeys(muse.PARTS, frame)),
        lambda frame: tofu.open_questions(dict.fromkeys(tofu.PARTS, frame)),
    ],
)
def test_another_layout_is_refused_with_the_columns_that_there_are(read):
    with pytest.raises(DataError, match=r"no column .* but other: pin another revision"):
        read(pandas.DataFrame({"other": [1]}))


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


EVERY = {"without_subjects": [], "most_facts": {}, "splits": SPLITS}
SETTINGS = {
    "seed": 3,
    "distractors": 3,
    "neighbour_minimum": 0,
    "forget": {**EVERY, "items": ["wmdp/bio"]},
    "retain": {**EVERY, "items": ["mmlu/test"], "without_subjects": ["virology"], "most_facts": {"test": 5}},
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
    with pytest.raises(DataError, match="no question of these subjects; there are: high school biology"):
        sources.questions({**SETTINGS["neighbour"], "subjects": ["alchemy"]}, "neighbour", "0", 3)


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
    with pytest.raises(DataError, match="99 forget documents wanted, 30 exist"):
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


def test_every_place_gives_as_many_documents_whatever_its_size():
    class Two:
        """Ninety texts of one place and twelve of another."""

        def documents(self, places, name, least, longest=None):
            rows = [(place, f"{place}-{n}") for place, size in (("large/a", 90), ("small/a", 12)) for n in range(size)]
            frame = pandas.DataFrame(rows, columns=["place", "entity"]).assign(kind="article", corpus=name)
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
    with pytest.raises(DataError, match="20 forget documents wanted"):
        corpora_of(Two(), {"forget": [], "retain": []}, settings | {"forget_prose_documents": 40}, "1")


def test_probes_of_published_questions_take_their_words_from_the_texts(sources, tiny_model, tiny_tokenizer):
    table, _ = benchmark.build(tiny_model, tiny_tokenizer, SETTINGS, 8, sources)
    plain = {"mode": "plain", "tokens": "none", "count": 0, "vocabulary": "entities", "roles": ["retain"]}
    option = {**plain, "mode": "option", "tokens": "forget", "count": 1, "vocabulary": "ngrams"}
    probes = {"plain": plain, "option": option, "neutral": {**option, "tokens": "neutral"}}
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
    probes = {name: {**probe, "tokens": name} for name in ("forget", "neutral")}
    asked = table.query("split == 'test'")
    found = benchmark.build_probes(asked, tiny_tokenizer, SETTINGS, probes, build_corpora(SETTINGS, "3", sources))
    parts = {name: list(part["prompt"]) for name, part in found.groupby("probe")}
    for forget, neutral in zip(parts["forget"], parts["neutral"], strict=True):
        assert "SARS-CoV-2" in forget and "SARS-CoV-2" not in neutral
        assert len(tiny_tokenizer.encode(forget)) == len(tiny_tokenizer.encode(neutral))


def test_what_a_reader_is_said_to_make_it_makes():
    assert {name for name, reader in READERS.items() if hasattr(reader, "items")} == set(ITEM_READERS)
    assert {name for name, reader in READERS.items() if hasattr(reader, "documents")} == set(TEXT_READERS)
    assert {name for name, reader in READERS.items() if hasattr(reader, "questions")} == set(QUESTION_READERS)
    assert {name: tuple(READERS[name].PARTS) for name in QUESTION_READERS} == OPEN_PARTS
    assert set(READERS) == set(schema()["$defs"]["source"]["properties"]["reader"]["enum"])
