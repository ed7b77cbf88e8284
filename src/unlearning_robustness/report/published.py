"""The page that sets published numbers beside ours."""

import pandas

from unlearning_robustness.analysis.published import NO, YES
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.report.markup import markdown


def published_page(table: pandas.DataFrame, config: dict) -> str:
    """The comparison as a page of markdown, in percent and points."""
    shown = []
    for _, row in table.iterrows():
        ran = row["within"] in (YES, NO)
        shown.append(
            {
                "model": _label(row, config),
                "quantity": row["quantity"],
                "published": f"{100 * row['theirs']:.1f} ± {100 * row['tolerance']:.1f}",
                "ours": f"{100 * row['mean']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if ran else "",
                "ours − published": f"{100 * row['difference']:+.1f}" if ran else "",
                "within": row["within"],
                "source": row["source"],
            }
        )
    intro = (
        "# Published numbers beside ours\n\nIn percent and points, ours with its interval. *within* says whether the "
        "published number lies inside our interval widened by its tolerance. Settings, texts and scoring differ from "
        "the sources': a difference is something to explain, not a verdict on either side.\n\n"
    )
    return intro + (markdown(pandas.DataFrame(shown)) if shown else "No published number names this model.\n")


def _label(row: pandas.Series, config: dict) -> str:
    """Method and defences as the other pages call them."""
    labels = [config["methods"].get(row["method"], {"label": row["method"]})["label"]]
    labels += [config["defences"][part]["label"] for part in row["defence"].split(".") if row["defence"] != NONE]
    return " + ".join(labels)
