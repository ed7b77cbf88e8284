from dataclasses import replace

import pandas
import pytest
from worlds import study_world

from unlearning_robustness.report import findings
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.memorisation_findings import memorisation

SETTINGS = {"methods": {"npo": {"label": "NPO"}}, "defences": {}, "attacks": {"relearn": {"label": "relearning"}}}
METRICS = {"verbatim": "forget", "knowledge": "forget", "privacy-leakage": "forget"}


def rows(method, mean, attack="none", defence="none", width=5.0):
    return [{"method": method, "defence": defence, "attack": attack, "metric": metric, "role": role,
             "mean": mean + place, "low": mean + place - width, "high": mean + place + width}
            for place, (metric, role) in enumerate(METRICS.items())]  # fmt: skip


def table(learnt=60.0, width=5.0):
    return pandas.DataFrame([
        *rows("npo", 20.0), *rows("npo", 40.0, "relearn"),
        *rows("reference", learnt, width=width), *rows("reference", 55.0, "relearn"), *rows("retrained", 12.0),
    ])  # fmt: skip


def test_every_model_has_the_tables_numbers_before_and_after_the_attack():
    learnt, never, unlearned = memorisation(ReportContext({"memorisation": table()}, SETTINGS))
    assert learnt == (
        "The model that learnt the texts: verbatim memorisation 60 [55, 65], knowledge of the forget texts "
        "61 [56, 66], privacy leakage 62 [57, 67]; after relearning verbatim memorisation 55 [50, 60], knowledge of "
        "the forget texts 56 [51, 61], privacy leakage 57 [52, 62]."
    )
    assert never.startswith("The model that never saw them: verbatim memorisation 12 [7, 17], ")
    assert unlearned.startswith("NPO, plain unlearning: verbatim memorisation 20 [15, 25], ")
    assert "; after relearning verbatim memorisation 40 [35, 45], " in unlearned


@pytest.mark.parametrize(("learnt", "width", "warned"), [(60, 5, False), (23, 5, False), (21, 5, True), (60, 50, True)])
def test_a_target_that_is_not_shown_to_know_the_texts_is_named(learnt, width, warned):
    """The other model's interval ends at 17."""
    last = memorisation(ReportContext({"memorisation": table(learnt, width)}, SETTINGS))[-1]
    assert ("not shown to continue them better" in last) == warned


def test_the_section_is_there_only_where_memorisation_was_measured():
    title, context = "## What is left of texts known by heart, and what comes back?", study_world("muse").context
    assert title in findings.page(context) and len(memorisation(context)) > 3
    without = context.tables | {"memorisation": context.tables["memorisation"].iloc[:0]}
    assert title not in findings.page(replace(context, tables=without))
