"""Small studies and odd labels: pages and figures are made all the same."""

from dataclasses import replace
from html import escape

import pytest
from quick import slow_but
from synthetic import planted_context, raw_config

from unlearning_robustness.config import resolve
from unlearning_robustness.config.constants import constant
from unlearning_robustness.config.display import figure_settings
from unlearning_robustness.config.kinds import FIGURES as FILES
from unlearning_robustness.config.kinds import module_of
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import save, style
from unlearning_robustness.report import PAGES
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import html_page

UNATTACKED = {"methods": ["reference"], "defences": ["none"], "attacks": ["none"]}
ATTACKED = UNATTACKED | {"attacks": ["none", "relearn"]}
CELLS = {
    "the reference alone": [UNATTACKED],
    "the reference, attacked": [ATTACKED],
    "no reference": [{"methods": ["rmu"], "defences": ["none"], "attacks": ["none", "relearn"]}],
    "gradient noise without RNA": [ATTACKED, {"methods": ["rmu"], "defences": ["gradient-noise"], "attacks": ["none"]}],
    "every defence": [
        ATTACKED,
        {
            "methods": ["rmu"],
            "defences": ["none", "rna", "early-stop", "gradient-noise"],
            "attacks": ["none", "relearn"],
        },
    ],
}
LABELS = [
    "{% x %} {{ y }} {0} %s 100 % ",
    "$x$ ",
    r"$\nosuch$ 5 $ ",
    "<script> a|b *c* ## ",
    ".. raw:: html ` _x_ \\ :: ",
]


def config_of(cells: str, label: str = "") -> dict:
    config = raw_config()
    config["study"] |= {"cells": CELLS[cells], "seeds": [0, 1], "title": f"{label}{config['study']['title']}"}
    config["analysis"]["bootstrap_samples"] = 50
    for axis in ("methods", "defences", "attacks", "probes"):
        for name, entry in config[axis].items():
            entry["label"] = f"{label}{entry.get('label', name)}"
    config["models"]["smollm2-135m-instruct"]["note"] = f"{label}note"
    return resolve(config)


def draw(name: str, context: ReportContext, config: dict, folder) -> str:
    """The svg of a figure, drawn from the settings that its rule gives it."""
    settings = figure_settings(config, "elements", constant(module_of(FILES, name), "SETTINGS"))
    with style():
        save(FIGURES[name](replace(context, settings=settings)), folder / "a.svg", folder / "a.pdf")
    return (folder / "a.svg").read_text()


@pytest.mark.parametrize("cells", slow_but(("the reference alone", "no reference"), CELLS))
def test_a_small_study_has_every_page_and_every_figure(tmp_path, cells):
    config = config_of(cells)
    context = planted_context(config, tmp_path)
    assert all(PAGES[page](context).startswith("#") for page in ("findings", "summary", "examples"))
    for name in FIGURES:
        assert "<svg" in draw(name, context, config, tmp_path)


@pytest.mark.parametrize("label", slow_but(LABELS[:1], LABELS))
def test_a_label_is_text_whatever_stands_in_it(tmp_path, label):
    config = config_of("every defence", label)
    context = planted_context(config, tmp_path)
    for page in ("findings", "summary", "examples"):
        assert "<script>" not in html_page(page, PAGES[page](context))
    shown = escape(f"{label}RMU", quote=False)
    assert f">{shown}</" in draw("accuracy", context, config, tmp_path)
    for name in ("differences", "relearning", "relearning-budget", "matrix", "tradeoff"):
        draw(name, context, config, tmp_path)
