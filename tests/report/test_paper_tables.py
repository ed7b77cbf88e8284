"""The papers' tables for LaTeX: the study's numbers where the paper has its own, and text that stays text."""

import re
from dataclasses import replace

import pandas
import pytest
from worlds import default_world

from unlearning_robustness.report.paper_tables import CAPTIONS, READS, booktabs, paper_table

CELL = re.compile(r"(?<!\\)&")


def lines_of(text):
    """The rows between booktabs' rules: the head, then the body."""
    head, body = text.split("\\toprule\n")[1].split("\\bottomrule")[0].split("\\midrule\n")
    return [line.removesuffix(" \\\\").strip() for line in (head + body).splitlines()]


def test_the_main_table_has_the_accuracies_of_the_study():
    context = default_world().context
    head, *rows = [CELL.split(line) for line in lines_of(booktabs(paper_table("rna-main", context), "", "t"))]
    table = {row[0].strip(): dict(zip(map(str.strip, head), map(str.strip, row), strict=True)) for row in rows}
    accuracy = context.tables["accuracy"].set_index(["method", "defence", "role", "probe"])["mean"]
    for label, kind in {
        "RMU": ("rmu", "none"),
        "RMU + RNA": ("rmu", "rna"),
        "reference": ("reference", "none"),
    }.items():
        assert table[label]["forget"].startswith(f"{100 * accuracy[*kind, 'forget', 'plain']:.0f} [")


def test_relearning_stands_beside_the_accuracy_before_it():
    context = default_world().context
    table = paper_table("stableun-main", context).set_index("model")
    assert list(table.columns) == ["forget", "retain", "relearned, 5 steps", "relearned, 15 steps"]
    recovered = context.tables["relearning"].query(
        "method == 'npo-kl' and defence == 'none' and attack == 'relearn' and steps == 15"
    )
    assert table.loc["NPO+KL", "relearned, 15 steps"].startswith(f"{100 * recovered['mean'].item():.0f} [")
    assert table.loc["RSV", "relearned, 15 steps"] == ""  # The study does not attack it.


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_study_without_the_measurements_says_so(name):
    context = default_world().context
    nothing = {table: context.tables[table].iloc[:0] for table in READS[name]}
    table = paper_table(name, replace(context, tables={**context.tables, **nothing}))
    assert table.empty
    assert booktabs(table, CAPTIONS[name], name) == f"% {name}: this study has nothing to show here.\n"


def test_what_stands_in_a_cell_is_no_command():
    hostile = "\\input{x} 50 % & #1_a^b ~ ${y}$\nnext"
    text = booktabs(pandas.DataFrame({"model": [hostile], "‖ΔW‖": ["−1"]}), "In %.", "t")
    assert "\\caption{In \\%.}" in text
    head, row = lines_of(text)
    assert head.split(" & ") == ["model", r"$\Vert\Delta W\Vert$"]
    cells = CELL.split(row)
    assert len(cells) == 2
    assert cells[1].strip() == "$-$1"
    unescaped = re.sub(r"\\textbackslash|\\textasciitilde|\\textasciicircum|\\space|\\[%&#_${}]", "", cells[0])
    assert not re.search(r"[\\%&#_$^~{}]", unescaped)
