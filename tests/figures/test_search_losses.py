import pandas
from drawn import legend, shown
from synthetic import as_read, study

from unlearning_robustness.analysis.trigger_controls import COLUMNS, CONTROL, LOSSES
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures.search_losses import UNMEASURED, draw

CELLS = [
    {"methods": ["reference"], "defences": ["none"], "attacks": ["none", "gcg"]},
    {"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["none", "gcg"]},
]
PLACE = ("smollm2-135m-instruct", "elements")


def tables(passed=True):
    rows = [
        (*PLACE, method, defence, "gcg", step, level / step, 0.9 * level / step, 1.1 * level / step, 3)
        for method, defence, level in ((REFERENCE, NONE, 2), ("rmu", NONE, 4), ("rmu", "rna", 5), (CONTROL, NONE, 9))
        for step in (1, 2, 3)
    ]
    control = (*PLACE, "gcg", 3, "text", 0.3, 0.9, 0.8, 0.8, 0.5, passed)
    return {
        "search_losses": pandas.DataFrame(rows, columns=LOSSES),
        "trigger_controls": pandas.DataFrame([control], columns=COLUMNS),
    }


def test_a_panel_has_the_losses_of_each_defence_and_of_the_control(tmp_path):
    figure = draw(as_read(tables(), study(CELLS), tmp_path))
    reference, rmu = shown(figure)
    assert {tuple(line.get_ydata()) for line in rmu.get_lines()} == {
        (4, 2, 4 / 3), (5, 2.5, 5 / 3), (9, 4.5, 3),
    }  # fmt: skip
    assert (2, 1, 2 / 3) in {tuple(line.get_ydata()) for line in reference.get_lines()}
    assert "positive control" in legend(figure) and "no verdict" not in rmu.get_title()


def test_a_search_that_failed_its_control_gives_no_verdict(tmp_path):
    figure = draw(as_read(tables(passed=False), study(CELLS), tmp_path))
    assert all("failed its control: no verdict" in axes.get_title() for axes in shown(figure))


def test_without_searches_the_figure_says_so(tmp_path):
    empty = {name: table.head(0) for name, table in tables().items()}
    figure = draw(as_read(empty, study(CELLS), tmp_path))
    assert UNMEASURED in [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)]
