"""The page's own files that are not Python: template, styles, scripts, and the libraries that are packed into it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE, PACKAGES = "assets/page.html.jinja", "vendor/packages.json"
STYLES = ("vendor/tabulator.min.css", "assets/page.css")
# What the first chart needs, and what tables need, which is run after it.
LIBRARIES, TABULATOR = ("vendor/d3.min.js", "vendor/plot.min.js"), "vendor/tabulator.min.js"
SCRIPTS = tuple(f"assets/{name}.js" for name in ("core", "drawings", "charts", "tables", "answers", "start"))


def asset(name: str) -> str:
    """One of these files by its path below this folder."""
    return HERE.joinpath(name).read_text(encoding="utf-8")


def joined(names: Iterable[str]) -> str:
    """Several of them, one after another."""
    return "\n".join(map(asset, names))


def assets_digest() -> str:
    """Digest of them all; of libraries that of the list that pins them."""
    content = joined((TEMPLATE, PACKAGES, *STYLES, *SCRIPTS))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
