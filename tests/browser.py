"""A real browser for what people open: Debian's Chromium, driven by playwright; without it tests are skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched() -> Iterator:
    """The running browser."""
    if not CHROMIUM:
        pytest.skip("no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing() -> Iterator:
    """A tab of the browser; what it opens can reach no network."""
    with launched() as browser:
        tab = browser.new_context(offline=True).new_page()
        tab.set_default_timeout(20_000)
        yield tab


def opened(tab, path: Path):
    """The tab when it shows the file, and every script of the file that runs at once has run."""
    tab.goto(path.resolve().as_uri(), wait_until="load")
    tab.wait_for_timeout(200)
    return tab


class Opened:
    """The study's page from disk, and what went ``wrong`` on it: messages, errors, requests to a network."""

    def __init__(self, browser, path: Path, width: int = 1280, height: int = 860, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        self.page, self.wrong = context.new_page(), []
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._requested)
        self.page.goto(path.resolve().as_uri())
        if options.get("java_script_enabled", True):
            self.page.wait_for_selector("body[data-ready]", timeout=60_000)

    def _requested(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(request.url)

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait until a condition in JavaScript holds; the page's own policy forbids to evaluate it there in a loop."""
        for _ in range(int(20 * seconds)):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(condition)

    def text(self, selector: str) -> str:
        """What is written in an element."""
        return self.page.inner_text(selector)
