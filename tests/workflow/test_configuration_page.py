import re
from pathlib import Path

import pytest

from unlearning_robustness.config.kinds import (
    ATTACKS,
    DEFENCES,
    FORGET_LOSSES,
    RETAIN_LOSSES,
    documentation,
    registered,
)
from unlearning_robustness.config.parameters import parameters_of
from unlearning_robustness.config.schema import schema
from unlearning_robustness.workflow.configuration_page import definitions, page

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
KINDS = [
    (registry, kind) for registry in (FORGET_LOSSES, RETAIN_LOSSES, DEFENCES, ATTACKS) for kind in registered(registry)
]


def section(title):
    """The lines between a heading and the next one."""
    return page().split(f"\n### {title}\n", 1)[1].split("\n#", 1)[0].splitlines()


def test_the_page_is_what_the_schema_and_the_classes_say():
    assert PAGE.read_text() == page(), (
        "write it anew: python -m unlearning_robustness.workflow.configuration_page > docs/configuration.md"
    )


def test_every_key_of_the_schema_has_a_row_with_its_meaning():
    named = {name for name, part in schema()["$defs"].items() if "properties" in part}
    assert set(definitions()) == named
    described = [entry["description"] for name in named for entry in schema()["$defs"][name]["properties"].values()]
    assert [text for text in described if text.replace("|", "\\|") not in page()] == []


def test_a_row_says_what_may_stand_there_and_whether_it_must():
    rows = section("`benchmarks.ID.forget`, `benchmarks.ID.retain`, `benchmarks.ID.neighbour`")
    assert [row for row in rows if row.startswith("| `splits` | mapping | required | Relative sizes")]
    assert [row for row in rows if row.startswith("| `templates_asked` | integer ≥ 1 | `1` |")]
    rows = section("`tuning.methods.ID`")
    assert "| `learning_rate` | list of numbers > 0 | required | Values tried. |" in rows
    labels = [row for row in page().splitlines() if row.startswith("| `label` ")]
    assert len(labels) == 4 and all(row.endswith("*For people.* |") for row in labels)


def test_a_kind_has_its_docstring_and_its_parameters():
    rows = section("`sam`")
    assert "| `radius` | number > 0 | required |" in rows
    assert '| `implementation` | `corrected`, `released` | `"corrected"` |' in rows
    assert any(row.startswith("Forget gradient at theta + radius") for row in rows)
    assert "| `bits` | list of integers ≥ 0, ≤ 16 | required |" in section("`quantise`")


@pytest.mark.parametrize(("registry", "kind"), KINDS)
def test_the_docstring_of_a_kind_names_each_of_its_parameters(registry, kind):
    text = documentation(registry, kind)
    assert [name for name in parameters_of(registry, kind) if not re.search(rf"``{name}\b", text)] == []
