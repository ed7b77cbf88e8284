import pandas

from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.sharpness_findings import sharpness


def row(method, at, given, mean, low, high, statistic="sam_gap"):
    names = ("method", "statistic", "at", "given", "mean", "low", "high", "cells")
    return dict(zip(names, (method, statistic, at, given, mean, low, high, 33), strict=True))


def sentences(table):
    settings = {"methods": {name: {"label": name.upper()} for name in ("npo", "ga")}}
    return sharpness(ReportContext({"sharpness_correlations": table}, settings))


def test_the_gap_of_the_largest_radius_is_reported_over_all_cells_and_at_equal_start():
    table = pandas.DataFrame([
        row("npo", 3.0, "nothing", 0.9, 0.8, 1.0),
        row("npo", 12.0, "nothing", 0.48, 0.07, 0.71),
        row("npo", 12.0, "start", -0.09, -0.5, 0.4),
        row("ga", 12.0, "nothing", -0.6, -0.9, -0.2),
        row("npo", 12.0, "nothing", 0.3, 0.1, 0.5, "local_lipschitz"),
    ])  # fmt: skip
    assert sentences(table) == [
        "NPO: over 33 cells the ascent gap and the accuracy regained have a rank correlation of +0.48 [+0.07, +0.71]: "
        "a sharper minimum gives more back. At equal forget accuracy before the attack it is -0.09 [-0.50, +0.40]: "
        "nothing is shown.",
        "GA: over 33 cells the ascent gap and the accuracy regained have a rank correlation of -0.60 [-0.90, -0.20]: "
        "a sharper minimum gives less back.",
    ]


def test_a_study_without_measured_sharpness_has_nothing_to_tell():
    assert sentences(pandas.DataFrame(columns=list(row("npo", 1.0, "start", 0, 0, 0)))) == []
