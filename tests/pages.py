"""The pages of the documentation, and what they say."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "results" / "README.md", ROOT / "report" / "guide.md"])
PAGES += sorted((ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^ *```(.*?)\n(.*?)^ *```", re.S | re.M)


def code(text: str) -> list[str]:
    """What stands in fences or backticks."""
    return [body for _, body in FENCE.findall(text)] + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def links(text: str) -> list[tuple[str, str]]:
    """Text and target of every relative link and image."""
    return re.findall(r"\[([^\]]*)\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
