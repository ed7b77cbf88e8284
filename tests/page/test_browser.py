"""The page in a real browser: chosen from, sorted, asked, printed, on a phone, in the dark, without JavaScript."""

import copy
import io
from dataclasses import replace

import matplotlib.image
import pytest
from browser import Opened, launched
from small_page import page_of


@pytest.fixture(scope="module")
def chromium():
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def opened(chromium, html):
    return Opened(chromium, html)


def spread(picture: bytes) -> float:
    """The standard deviation of a picture's pixels, 0 to 1; that of an empty one is 0."""
    return float(matplotlib.image.imread(io.BytesIO(picture), format="png")[..., :3].std())


def test_the_first_screen_has_the_answer_and_its_picture(opened):
    assert "Does RNA help" in opened.text("h1")
    assert "points" in opened.text(".sentence.help")
    assert opened.page.locator(".hero svg circle").count() > 10
    assert spread(opened.page.screenshot()) > 0.05
    assert spread(opened.page.locator(".hero").screenshot()) > 0.03


def test_a_method_and_a_defence_are_chosen(opened):
    opened.page.click("#explore .tabs button:has-text('Every probe')")
    before = opened.page.locator("#chart circle").count()
    opened.page.uncheck("#chart-choices input[value=rna]")
    assert 0 < opened.page.locator("#chart circle").count() < before
    opened.page.check("#chart-choices input[value=rna]")
    opened.page.uncheck("#chart-choices input[value=rmu]")
    assert "Nothing is chosen" in opened.text("#chart")
    opened.page.check("#chart-choices input[value=rmu]")


def test_every_chart_is_drawn_and_says_numbers_where_one_points(opened):
    for tab in opened.page.locator("#explore .tabs button").all():
        tab.click()
        point = opened.page.locator("#chart [aria-label=dot] :is(circle, path)").last
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        opened.page.wait_for_selector("#chart [aria-label=tip] text")
        assert "n = " in opened.page.locator("#chart [aria-label=tip]").last.text_content()


def test_a_table_is_sorted_and_filtered(opened):
    opened.page.select_option("#table-choices select", "accuracy")
    opened.page.locator("#table .tabulator-col[tabulator-field=c6] .tabulator-col-title").click()
    shown = opened.page.locator("#table .tabulator-cell[tabulator-field=c6]").all_inner_texts()
    values = [float(value) for value in shown]
    assert values == sorted(values)
    assert len(set(values)) > 1
    opened.page.locator("#table .tabulator-col[tabulator-field=c3] input").press_sequentially("rna")
    opened.until(
        "[...document.querySelectorAll('#table .tabulator-cell[tabulator-field=c3]')].every(c => c.innerText === 'rna')"
    )


def test_a_question_where_the_defence_helps_takes_two_clicks(opened):
    opened.page.click("button.helps")
    opened.page.wait_for_selector("#question table tr.right td.chosen")
    assert "A ✗ · B ✓" in opened.text("#question-list li:first-child")
    opened.page.click("#question-list li:nth-child(2) button")
    assert opened.text("#question mark")
    wrong, right = (opened.page.locator(f"#question td:nth-child({column}).chosen") for column in (3, 4))
    assert "✗" in wrong.inner_text()
    assert "✓" in right.inner_text()
    assert opened.page.locator("#along svg").count() or "no attack" in opened.text("#question")


def test_questions_are_searched(opened):
    opened.page.select_option("#question-choices select >> nth=5", "all")
    opened.page.fill("#question-choices input[type=search]", "retain/relation/7")
    opened.until("document.getElementById('question-count').innerText.startsWith('1 ')")
    opened.page.fill("#question-choices input[type=search]", "no such words")
    opened.until("document.getElementById('question-count').innerText.startsWith('0 ')")
    opened.page.fill("#question-choices input[type=search]", "")


def test_a_point_leads_to_its_questions(opened):
    opened.page.click("#explore .tabs button:has-text('Under attack')")
    point = opened.page.locator("#chart circle[fill='#0072B2']").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    opened.page.mouse.move(box["x"] + 4, box["y"] + 4)
    opened.page.mouse.click(box["x"] + 4, box["y"] + 4)
    opened.until("document.querySelectorAll('#question-choices select')[4].value !== 'none'")


def test_nothing_went_wrong_meanwhile(opened):
    assert opened.wrong == []


@pytest.mark.parametrize("options", [{"width": 390, "height": 844}, {"color_scheme": "dark"}])
def test_phones_and_the_dark_have_the_same_page_without_scrolling_sideways(chromium, html, options):
    opened = Opened(chromium, html, **options)
    width = opened.page.viewport_size["width"]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert spread(opened.page.screenshot()) > 0.05
    brightness = matplotlib.image.imread(io.BytesIO(opened.page.screenshot()))[..., :3].mean()
    assert (brightness < 0.3) == ("color_scheme" in options)
    assert opened.wrong == []


def test_without_javascript_and_in_print_findings_figures_and_tables_are_there(chromium, html):
    opened = Opened(chromium, html, java_script_enabled=False)
    for part in (".sentence.help", "#figures img", "#main-1 td", "#provenance dd"):
        assert opened.page.locator(part).first.is_visible(), part
    assert not opened.page.locator("#explore").is_visible()
    assert opened.page.pdf().startswith(b"%PDF")


def test_the_keyboard_reaches_charts_and_questions(chromium, html):
    opened = Opened(chromium, html)
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    opened.page.focus("button.helps")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#question mark")
    opened.page.focus("#explore .tabs button:nth-child(2)")
    opened.page.keyboard.press("Space")
    assert opened.page.locator("#explore .tabs button[aria-pressed=true]").count() == 1


def test_answers_beside_the_page_are_read_from_disk(chromium, small, tmp_path, monkeypatch):
    monkeypatch.setattr("unlearning_robustness.page.build.ANSWERS_INSIDE", 100)
    opened = Opened(chromium, page_of(replace(small, root=tmp_path)))
    opened.page.wait_for_selector("#question table td meter")
    for script in (tmp_path / "answers").iterdir():
        script.unlink()
    alone = Opened(chromium, tmp_path / "index.html")
    assert "does not lie beside this page" in alone.text("#questions")


def test_odd_text_is_shown_as_it_is_and_runs_nothing(chromium, small, tmp_path):
    odd = "</script><script>window.ran=1</script><img src=x onerror='window.ran=1'> 🧪 שלום {{ 7*7 }} "
    settings = copy.deepcopy(small.settings) | {"title": odd}
    for kind in ("methods", "defences", "probes", "attacks"):
        for entry in next(iter(settings["places"].values()))[kind].values():
            entry["label"] = odd + entry["label"]
    opened = Opened(chromium, page_of(replace(small, settings=settings, root=tmp_path)))
    assert odd.strip()[:40] in opened.text(".title")
    assert opened.page.evaluate("window.ran") is None
    assert opened.page.locator("img[src=x]").count() == 0
    assert opened.wrong == []
    assert "{{ 7*7 }}" in opened.text(".sentence.help")
