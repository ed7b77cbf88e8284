"""Readers of published data sets, on small tables made here in the published columns. No published text is kept."""

from pathlib import Path

import lm_eval
import numpy
import pandas
import pytest
import yaml
from jinja2 import Environment

from unlearning_robustness.config.schema import schema
from unlearning_robustness.config.sources import ITEM_READERS, OPEN_PARTS, QUESTION_READERS, TEXT_READERS
from unlearning_robustness.data import mmlu, muse, tofu, wikitext, wmdp
from unlearning_robustness.data.items import lettered, prompt_of
from unlearning_robustness.data.questions import from_table
from unlearning_robustness.data.source_tables import READERS
from unlearning_robustness.errors import DataError

TASKS = Path(lm_eval.__file__).parent / "tasks"
SPLITS = {"select": 1, "test": 2}
OPTIONS = ["one", "two", "three", "four"]
CORPORA = ["corpus", "document", "entity", "kind", "text", "row"]


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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": 4}, "row 1: the answer 4 is none of 4 choices"),
        ({"answer": -1}, "row 1: the answer -1 is none of 4 choices"),
    ],
)
def test_an_item_without_its_answer_is_refused(change, reason):
    frame = pandas.DataFrame([{"question": "x", "subject": "s", "choices": OPTIONS, "answer": 0, **change}])
    with pytest.raises(DataError, match=reason):
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
    assert {question.decided_by for question in questions} == {"token-mean"}
    assert len({(question.entity, question.split) for question in questions}) == 2
    options = pandas.DataFrame([{"question": "q", "answer": "two", **{f"option{n + 1}": OPTIONS[n] for n in range(4)}}])
    (question,) = from_table(tofu.questions(options, "retain", {"test": 1}, "0", 3))
    assert question.choices[question.answer] == "two"
    assert sorted(question.choices) == sorted(OPTIONS)
    with pytest.raises(DataError, match="no option"):
        tofu.questions(options.assign(answer="five"), "retain", SPLITS, "0", 3)
    with pytest.raises(DataError, match="TOFU has 3 wrong answers, not 4"):
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
    with pytest.raises(DataError, match="there are 5 other answers, not 6"):
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


def test_what_a_reader_is_said_to_make_it_makes():
    assert {name for name, reader in READERS.items() if hasattr(reader, "items")} == set(ITEM_READERS)
    assert {name for name, reader in READERS.items() if hasattr(reader, "documents")} == set(TEXT_READERS)
    assert {name for name, reader in READERS.items() if hasattr(reader, "questions")} == set(QUESTION_READERS)
    opened = {name: tuple(reader.PARTS) for name, reader in READERS.items() if hasattr(reader, "open_questions")}
    assert opened == OPEN_PARTS
    assert set(READERS) == set(schema()["$defs"]["source"]["properties"]["reader"]["enum"])
