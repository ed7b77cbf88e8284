"""The main table: one row a method and defence, the reference first, as the RNA paper prints it."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.report.words import interval

LABEL = "main table"
CAPTION = "The main table: one row a method and defence."
READS = ("accuracy", "token_effects", "measures")
BESIDE = ()
INTRODUCTION = (
    "# Main table\n\nAccuracies in percent with their intervals. *token − neutral* is what a forget token before a "
    "retain question changes beyond a neutral one, in points. ‖ΔW‖ and perplexity are means over seeds.\n\n"
)


def page(context: ReportContext) -> str:
    """The table below its introduction."""
    return INTRODUCTION + markdown(summary(context))


def summary(context: ReportContext) -> pandas.DataFrame:
    """Accuracies in percent, what a forget token costs beyond a neutral one in points, and the cells' measures.

    Columns of question sets that a study does not ask are left out.
    """
    accuracy = context.tables["accuracy"].set_index(["method", "defence", "role", "probe"])
    effects = context.tables["token_effects"].query("contrast == 'beyond_control'").set_index(["method", "defence"])
    measured = context.tables["measures"]
    means = measured.groupby(["method", "defence"])[["weight_change", "perplexity"]].mean()
    probes = context.settings["probes"]
    sets = [
        (role, probe)
        for role in ("forget", "retain", "neighbour")
        for probe in context.answer_probes()
        if role in probes[probe]["roles"]
    ]
    rows = []
    for kind in context.cells_of(measured, [REFERENCE, *context.every_method()], [NONE, *context.defences]):
        row = {"model": context.cell_label(*kind, join=" + ", plain="")}
        for role, probe in sets:
            if (*kind, role, probe) in accuracy.index:
                row[context.probe_label(role, probe)] = interval(accuracy.loc[(*kind, role, probe)])
        if kind in effects.index:
            row["token − neutral"] = interval(effects.loc[kind])
        row["‖ΔW‖"] = f"{means.loc[kind, 'weight_change']:.1f}"
        row["perplexity"] = f"{means.loc[kind, 'perplexity']:.1f}"
        rows.append(row)
    return pandas.DataFrame(rows).fillna("")
