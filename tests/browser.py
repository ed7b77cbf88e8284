"""A real browser for what people open: Debian's Chromium, driven by playwright; without it tests are skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browsing() -> Iterator:
    """A tab of the browser; what it opens can reach no network."""
    if not CHROMIUM:
        pytest.skip("no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            tab = browser.new_context(offline=True).new_page()
            tab.set_default_timeout(20_000)
            yield tab
        finally:
            browser.close()


def opened(tab, path: Path):
    """The tab when it shows the file, and every script of the file that runs at once has run."""
    tab.goto(path.resolve().as_uri(), wait_until="load")
    tab.wait_for_timeout(200)
    return tab
