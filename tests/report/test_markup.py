import re
from html.parser import HTMLParser

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_robustness.report.markup import html_page, markdown, rst

VOID = {"meta"}


class Outline(HTMLParser):
    """The texts of every element; fails when a tag is closed that is not the last one opened."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.texts = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
            self.texts.append((tag, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.append((self.open[-1], data))

    def of(self, tag):
        return [text for name, text in self.texts if name == tag and text]


TABLE = pandas.DataFrame({"name": ["a|b", "<i>&"], "value": [0.12345, 2.0], "count": [3, 4]})


def test_a_table_has_a_head_a_rule_and_one_line_a_row():
    assert markdown(TABLE).splitlines() == [
        "| name | value | count |", "|---|---|---|", "| a\\|b | 0.123 | 3 |", "| <i>& | 2.000 | 4 |"
    ]  # fmt: skip


def test_bars_survive_the_way_from_table_to_page():
    outline = Outline(html_page("t", markdown(TABLE)))
    assert outline.of("th") == ["name", "value", "count"]
    assert outline.of("td") == ["a|b", "0.123", "3", "<i>&", "2.000", "4"]


def test_a_line_break_inside_a_cell_does_not_break_the_table():
    text = markdown(pandas.DataFrame({"prompt": ["one\ntwo"], "other": ["x"]}))
    assert len(text.splitlines()) == 3


def test_a_page_has_headings_lists_paragraphs_and_tables():
    text = "# One\n\n## Two & <three>\n\nSome *words* here.\n\n- first\n- second\n\n" + markdown(TABLE) + "\nlast\n"
    outline = Outline(html_page("A <title>", text))
    assert outline.of("title") == ["A <title>"]
    assert outline.of("h1") == ["One"]
    assert outline.of("h2") == ["Two & <three>"]
    assert outline.of("em") == ["words"]
    assert outline.of("li") == ["first", "second"]
    assert outline.of("p") == ["Some ", " here.", "last"]
    assert len(outline.of("td")) == 6


def test_a_list_may_stand_directly_before_a_table():
    outline = Outline(html_page("t", "- first\n" + markdown(TABLE)))
    assert (outline.of("li"), len(outline.of("th"))) == (["first"], 3)


def test_nothing_a_text_says_becomes_a_tag():
    text = html_page("<script>", "# <script>\n- <b>\n<img src=x>\n\n| <u> |\n|---|\n| </table> |\n")
    for tag in ("<script", "<b>", "<img", "<u>"):
        assert tag not in text
    assert text.count("</table>") == 1
    Outline(text)


def test_the_same_text_gives_the_same_page():
    assert html_page("t", markdown(TABLE)) == html_page("t", markdown(TABLE))


def test_headings_in_restructured_text_are_underlined_to_their_width():
    assert rst("# Über one\n\ntext\n\n## Two\n- item\n") == "Über one\n========\n\ntext\n\nTwo\n---\n- item\n"
    assert rst("# 化学\n") == "化学\n====\n"


def shown(text):
    """The HTML that Snakemake's report makes of a text: a template first, then markup."""
    from docutils.core import publish_parts
    from jinja2 import Environment

    settings = {"report_level": 5, "halt_level": 5}
    source = Environment().from_string(rst(text)).render()
    return publish_parts(source, writer="html", settings_overrides=settings)["html_body"]


def test_words_of_markdown_are_bold_or_slanted_there_and_rows_are_lines():
    page = shown("# A title\n\n- **1. Findings** repeats\n- in*side*d\n\n| one | two |\n|---|---|\n| 3 | 4 |\n")
    assert Outline(page).of("strong") == ["1. Findings"] and Outline(page).of("em") == ["side"]
    assert [part for part in ("one | two", "3 | 4") if part not in page] == []


HOSTILE = [
    "{% x %}", "{{ y }}", "{# z #}", "{{ 7 * 7 }}", "{% raw %}", "%}", ".. raw:: html", ".. include:: /etc/passwd",
    "::", "`x <javascript:alert(1)>`_", "a |substitution|", "link_", "[1]_", ":math:`x`", "<script>alert(1)</script>",
    "</script>", "<!--", "&lt;", "\\", "*", "1. one", "A) one", "+--+", "====", ">>> x", "--option", "a | line", "\\ ",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["# ", "- ", "", "- a label "])
def test_nothing_a_text_says_is_a_template_or_markup_of_the_report(text, form):
    page = shown(form + text)
    assert page_text(page).split() == (form + text).removeprefix("# ").removeprefix("- ").split()
    assert not re.search(r"<(script|a|img|table|div class=.(system|literal))", page), page


def page_text(page):
    return "".join(text for _, text in Outline(page.replace("<br />", "")).texts)


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from("{}%#_*`|<>\\:. -"), min_size=1))
def test_any_text_stands_on_page_and_report_as_it_is_written(text):
    text = " ".join(f"a {text} z".replace("*", "+").split())
    assert page_text(shown(f"- {text}")).strip() == text
    assert Outline(html_page("t", f"- {text}")).of("li") == [text]
