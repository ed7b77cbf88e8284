"""Answers in a real browser where questions are odd: markup, other scripts, very long ones, two sets of them."""

from dataclasses import replace

import pandas
import pytest
from browser import Opened, launched
from small_page import page_of
from synthetic import PLACE

MARKUP = "</script><img src=x onerror='window.ran=1'><b>bold</b> &amp; ${7*7}"
ODD = [MARKUP, "🧪🧑‍🔬 e\u0301", "מהו הסמל של ברזל؟ ما هو رمز الحديد", "long " * 2_000, "line\nbreak\ttab \u202e\u0000"]


@pytest.fixture(scope="module")
def chromium():
    with launched() as running:
        yield running


def again(study, root, change) -> list:
    """The records of a study as ``change`` leaves them, below another folder."""
    paths = []
    for path in study.records:
        records = change(pandas.read_parquet(path))
        method, defence, seed, attack, name = path.parts[-5:]
        copy = root / records["model"].iloc[0] / records["benchmark"].iloc[0] / method / defence / seed / attack / name
        copy.parent.mkdir(parents=True)
        records.to_parquet(copy)
        paths.append(copy)
    return paths


def made_odd(records: pandas.DataFrame) -> pandas.DataFrame:
    """Every question and its choices odd in turn."""
    texts = [ODD[number % len(ODD)] for number in range(len(records))]
    prompts = [f"{text} {prompt}" for text, prompt in zip(texts, records["prompt"], strict=True)]
    choices = [
        [f"{choice} {text[:300]}" for choice in asked] for text, asked in zip(texts, records["choices"], strict=True)
    ]
    return records.assign(prompt=prompts, choices=choices)


def of_another_model(records: pandas.DataFrame) -> pandas.DataFrame:
    """Other questions, asked of another model."""
    prompts, questions = ("Asked elsewhere: " + records["prompt"], "another/" + records["question"])
    return records.assign(model="another", prompt=prompts, question=questions)


@pytest.fixture(scope="module")
def odd(small, tmp_path_factory):
    """The page of a study whose questions are odd."""
    root = tmp_path_factory.mktemp("odd")
    return page_of(replace(small, root=root, records=again(small, root / "records", made_odd)))


def test_odd_questions_are_text_and_break_nothing(chromium, odd):
    opened = Opened(chromium, odd)
    opened.page.wait_for_selector("#question-list li")
    for number in range(len(ODD)):
        opened.page.locator("#question-list li button").nth(number).click()
        opened.page.wait_for_selector("#question table td meter")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1280
    opened.page.fill("#question-choices input[type=search]", MARKUP[:30])
    opened.page.locator("#question blockquote", has_text="<img src=x").wait_for()
    assert opened.page.locator("#question img, #question b, #question-list img").count() == 0
    assert opened.page.evaluate("window.ran") is None
    assert opened.wrong == []


def test_odd_questions_fit_a_phone(chromium, odd):
    opened = Opened(chromium, odd, width=390, height=844)
    for number in range(len(ODD)):
        opened.page.locator("#question-list li button").nth(number).click()
        opened.page.wait_for_selector("#question table td meter")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_models_of_different_questions_stand_beside_each_other(chromium, small, tmp_path):
    place, other = "/".join(PLACE), f"another/{PLACE[1]}"
    places = {place: small.settings["places"][place], other: small.settings["places"][place]}
    records = [*small.records, *again(small, tmp_path / "records", of_another_model)]
    both = replace(small, root=tmp_path, records=records, settings=small.settings | {"places": places})
    opened = Opened(chromium, page_of(both))
    assert opened.page.locator("section.place h1").count() == 2
    assert "elsewhere" not in opened.text("#question-list")
    opened.page.get_by_label("model / benchmark").last.select_option(other)
    opened.page.locator("#question-list", has_text="elsewhere").wait_for()
    assert opened.wrong == []
