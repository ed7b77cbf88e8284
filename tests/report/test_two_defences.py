"""Two RNA entries with a control each, whose noise is not quite theirs: the report has every pair, and no other."""

import re

import pytest
from synthetic import planted_context, raw_config

from unlearning_robustness.config import resolve
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import pyplot, style
from unlearning_robustness.report.recovery_findings import recovery
from unlearning_robustness.report.settings_findings import settings
from unlearning_robustness.report.unlearning_findings import repair

OWN = ["none", "rna", "gradient-noise", "second", "second-noise"]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    config = raw_config()
    defences = config["defences"]
    defences["second"] = {"label": "RNA again", "kind": "rna", "parameters": {"noise_scale": 2.5}}
    defences["second-noise"] = {
        "label": "its noise", "kind": "gradient-noise", "parameters": {"match": "second", "noise_scale": 2.4999}
    }  # fmt: skip
    defences["gradient-noise"]["parameters"]["noise_scale"] = 2.4999
    config["study"] |= {"seeds": [0, 1], "cells": [
        {"methods": ["reference"], "defences": ["none"], "attacks": ["none", "relearn"]},
        {"methods": ["rmu"], "defences": OWN, "attacks": ["none", "relearn"]},
    ]}  # fmt: skip
    config["analysis"]["bootstrap_samples"] = 50
    return planted_context(resolve(config), tmp_path_factory.mktemp("two"))


def test_each_rna_is_compared_with_plain_unlearning_and_its_own_control(context):
    heads = [line.split(":")[0] for line in repair(context)]
    assert heads == [
        "RMU, RNA − plain unlearning", "RMU, RNA − gradient noise",
        "RMU, RNA again − plain unlearning", "RMU, RNA again − its noise",
    ]  # fmt: skip


def test_settings_and_recovery_tell_of_both(context):
    (line,) = [line for line in settings(context) if line.startswith("RMU: ")]
    assert re.findall(r"(RNA(?: again)?)'s noise (\d\.\d\d) times", line) == [("RNA", "0.50"), ("RNA again", "0.50")]
    said = [line for line in recovery(context) if "differs from plain unlearning's" in line]
    assert [re.search(r"steps (.*?)'s", line).group(1) for line in said] == ["RNA", "RNA again"]


@pytest.mark.parametrize("name", ["tradeoff", "objectives", "noise-sweep", "controls", "differences"])
def test_figures_show_both(context, name):
    with style():
        figure = FIGURES[name](context)
        words = [text.get_text() for box in figure.legends for text in box.get_texts()]
        words += [
            text.get_text() for axes in figure.axes for text in [axes.title, axes._left_title, *axes.get_yticklabels()]
        ]
        pyplot.close(figure)
    assert any("RNA again" in word for word in words) and any(re.match(r"RNA($|\n)", word) for word in words)
