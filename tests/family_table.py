"""The table families × stages: what each family's tiny model went through, as markdown."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "hub.md"
# What a stage's step came to, by group of stages and step: nothing to say, a remark, or a refusal that begins so.
Outcomes = Mapping[str, Mapping[str, str]]
REFUSED = "refused: "


def row(family: str, outcomes: Outcomes) -> str:
    """A family's row: ``yes``, or how many of a stage's steps ran."""
    cells = []
    for steps in outcomes.values():
        ran = sum(not said.startswith(REFUSED) for said in steps.values())
        cells.append("yes" if ran == len(steps) else f"{ran} of {len(steps)}" if ran else "refused")
    return f"| {family} | {' | '.join(cells)} |"


def remarks(outcomes: Outcomes) -> list[str]:
    """What was said or refused, once for neighbouring steps that say the same."""
    said = [(text, step) for steps in outcomes.values() for step, text in steps.items() if text]
    grouped = [(text, [step for _, step in part]) for text, part in groupby(said, key=lambda pair: pair[0])]
    return [f"{', '.join(steps)}: {text}" for text, steps in grouped]


def table(rows: Iterable[tuple[str, Outcomes]]) -> str:
    """The whole table, and below it each remark with the families that it is about."""
    rows = list(rows)
    stages = list(rows[0][1])
    head = [f"| family | {' | '.join(stages)} |", f"|{'---|' * (len(stages) + 1)}"]
    families: dict[str, list[str]] = {}
    for family, outcomes in rows:
        for remark in remarks(outcomes):
            families.setdefault(remark, []).append(family)
    notes = [f"- {', '.join(names)}; {remark}" for remark, names in families.items()]
    return "\n".join([*head, *(row(*each) for each in rows), "", *notes])


def on_page(family: str, outcomes: Outcomes) -> bool:
    """Whether the page has a family's row and its remarks, and no other remark about it."""
    lines = PAGE.read_text().splitlines()
    about = [line.removeprefix("- ").split("; ", 1) for line in lines if line.startswith("- ") and "; " in line]
    said = [remark for families, remark in about if family in families.split(", ")]
    return row(family, outcomes) in lines and said == remarks(outcomes)
