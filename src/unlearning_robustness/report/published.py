"""The page that sets published numbers beside ours."""

import pandas

from unlearning_robustness.analysis.published import NO, YES
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown

LABEL = "published numbers"
CAPTION = (
    "Published numbers beside this study's: whether each lies inside our interval widened by its tolerance, with its "
    "source. A difference is something to explain."
)
READS = ("published",)
BESIDE = ()
INTRODUCTION = (
    "# Published numbers beside ours\n\nIn percent and points, ours with its interval. *within* says whether the "
    "published number lies inside our interval widened by its tolerance. Settings, texts and scoring differ from "
    "the sources': a difference is something to explain, not a verdict on either side.\n\n"
)


def page(context: ReportContext) -> str:
    """The comparison below its introduction, in percent and points."""
    rows = [_row(context, row) for _, row in context.tables["published"].iterrows()]
    return INTRODUCTION + (markdown(pandas.DataFrame(rows)) if rows else "No published number names this model.\n")


def _row(context: ReportContext, row: pandas.Series) -> dict:
    ran = row["within"] in (YES, NO)
    return {
        "model": context.cell_label(row["method"], row["defence"], join=" + ", plain=""),
        "quantity": row["quantity"],
        "published": f"{100 * row['theirs']:.1f} ± {100 * row['tolerance']:.1f}",
        "ours": f"{100 * row['mean']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if ran else "",
        "ours − published": f"{100 * row['difference']:+.1f}" if ran else "",
        "within": row["within"],
        "source": row["source"],
    }
