"""Models that differ in one property each: what is planted is drawn, and told in words."""

import pandas
import pytest
from drawn import legend, shown

from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.variation_findings import variation, varied

HARM = {"shallow": 0.05, "middle": 0.1, "deep": 0.3}
SETTINGS = {
    "variation": [
        {"property": "layers", "levels": [{"label": name, "model": name} for name in HARM]},
        {"property": "overlap", "levels": [{"label": "none", "model": "apart"}, {"label": "half", "model": "middle"}]},
    ],
    "headline": {"forget_token": "token"},
    "methods": {"rmu": {"label": "RMU"}, "long": {"label": "longer", "variant_of": "rmu"}},
    "defences": {kind: {"kind": kind, "used": True, "label": kind} for kind in ("rna", "stableun")},
}


def tables(models=HARM):
    rows = {"token_effects": [], "differences": [], "attacked_differences": []}
    for model, harm in models.items():
        for method, factor in (("rmu", 1.0), ("long", 2.0)):
            at = {"model": model, "benchmark": model, "method": method}
            span = lambda mean: {"mean": mean, "low": mean - 0.02, "high": mean + 0.04}  # noqa: E731
            rows["token_effects"] += [
                {**at, "defence": defence, "contrast": "beyond_control", **span(-harm * factor)}
                for defence in ("none", "rna")
            ]
            first = {"first": "rna", "second": "none", "role": "retain"}
            rows["differences"] += [{**at, **first, "probe": probe, **span(0.07)} for probe in ("plain", "token")]
            first = {"first": "stableun", "second": "none", "documents": 60}
            rows["attacked_differences"] += [
                {**at, **first, "steps": steps, "quantity": "gain", **span(-steps / 100)} for steps in (20, 5)
            ]
    return {name: pandas.DataFrame(part) for name, part in rows.items()}


@pytest.fixture
def context():
    return ReportContext({}, SETTINGS, every_model=tables({**HARM, "apart": 0.1}))


def test_an_effect_is_positive_where_it_is_there_and_bounds_change_places(context):
    rows = varied(context).set_index(["property", "level", "method", "quantity"])[["mean", "low", "high"]]
    assert rows.loc[("layers", "deep", "rmu", "harm")].tolist() == pytest.approx([0.3, 0.26, 0.32])
    assert rows.loc[("layers", "deep", "long", "harm"), "mean"] == pytest.approx(0.6)
    assert rows.loc[("overlap", "half", "rmu", "repair")].tolist() == pytest.approx([0.07, 0.05, 0.11])
    # Of relearning the last steps count.
    assert rows.loc[("overlap", "none", "rmu", "kept"), "mean"] == pytest.approx(0.2)
    assert len(rows) == 5 * 2 * 3


def test_a_sentence_has_every_level_and_says_whether_the_ends_differ(context):
    lines = variation(context)
    assert lines[0] == (
        "layers, RMU: a forget token costs retain accuracy, beyond a neutral one – shallow: +5.0 points [+1.0, +7.0]; "
        "middle: +10.0 points [+6.0, +12.0]; deep: +30.0 points [+26.0, +32.0] (more at deep than at shallow)."
    )
    assert lines[2].endswith("(half and none are not shown to differ).") and len(lines) == 2 * 2 * 3


def test_each_level_has_a_row_and_each_method_a_point(draw, context):
    panels = shown(draw("variation", context))
    assert [axes.get_title(loc="left") for axes in panels] == [
        "A forget token harms", "RNA repairs", "StableUN keeps away"
    ]  # fmt: skip
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels == ["shallow", "middle", "deep", "none", "half"]
    (rmu, longer) = (container.lines[0].get_xdata().tolist() for container in panels[0].containers)
    assert rmu == pytest.approx([5, 10, 30, 10, 10]) and longer == pytest.approx([10, 20, 60, 20, 20])
    assert [text.get_text() for text in panels[0].texts] == ["layers", "overlap"]
    assert legend(draw("variation", context)) == ["RMU", "longer"]


def test_a_study_whose_models_are_not_varied_says_so(draw):
    (axes,) = draw("variation", ReportContext({}, {**SETTINGS, "variation": []})).axes
    assert "not varied" in axes.texts[0].get_text()
    assert variation(ReportContext({}, {**SETTINGS, "variation": []})) == []
